"""What a decoder's outputs mean: the likelihood of the data and its mean."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.densities import (
    bernoulli_log_prob,
    discretized_logistic_log_prob,
    discretized_logistic_mixture_log_prob,
    normal_log_prob,
)

__all__ = [
    "Head",
    "bernoulli_head",
    "discretized_logistic_head",
    "logistic_mixture_logits",
    "logistic_mixture_parameters",
    "normal_head",
]


class Head(NamedTuple):
    """How raw network outputs become a likelihood.

    Args:
        num_outputs: raw outputs for each dimension of the data.
        log_prob: `log_prob(x, raw) -> scalar`, in nats; `raw` is `[num_outputs * x.size]`.
        mean: `mean(raw) -> [x.size]`, the mean of the data.
        discrete: whether `log_prob` is of discrete data (a probability) or of real data (a density).

    >>> bernoulli_head.num_outputs
    1
    """

    num_outputs: int
    log_prob: Callable[[Array, Array], Array]
    mean: Callable[[Array], Array]
    discrete: bool


def _bernoulli(x: Array, raw: Array) -> Float[Array, ""]:
    return bernoulli_log_prob(x, jnp.reshape(raw, x.shape))


bernoulli_head = Head(1, _bernoulli, jax.nn.sigmoid, discrete=True)
"""Binary data; outputs are logits."""


def discretized_logistic_head(num_levels: int) -> Head:
    """Quantised data in [−1, 1]; outputs are the mean and the raw scale of a discretised logistic.

    The log-scale is −7 + softplus(raw + 5.5), about −1.5 at the start and above −7 always.

    Args:
        num_levels: levels of the data.

    Returns:
        The head, with two outputs per dimension.

    >>> discretized_logistic_head(17).num_outputs
    2
    """

    def log_prob(x: Array, raw: Array) -> Float[Array, ""]:
        mean, raw_scale = jnp.split(raw, 2)
        log_scale = _log_scale(raw_scale)
        reshape = partial(jnp.reshape, shape=x.shape)
        return discretized_logistic_log_prob(x, reshape(mean), reshape(log_scale), num_levels=num_levels)

    # Without the quantisation: the centre of the logistic, cut to the range its levels have.
    return Head(2, log_prob, lambda raw: jnp.clip(jnp.split(raw, 2)[0], -1.0, 1.0), discrete=True)


def logistic_mixture_parameters(
    raw: Float[Array, "*event outputs"],
) -> tuple[Float[Array, "*event m"], Float[Array, "*event m"], Float[Array, "*event m"]]:
    """Parameters of `discretized_logistic_mixture_log_prob` from a network's outputs for each coordinate.

    Args:
        raw: outputs `[..., 3 M]` for M components: logits, means, and raw scales as in `discretized_logistic_head`.

    Returns:
        Logits, means and log-scales, each `[..., M]`.

    >>> [a.shape for a in logistic_mixture_parameters(jnp.zeros((4, 6)))]
    [(4, 2), (4, 2), (4, 2)]
    """
    logits, means, raw_scales = jnp.split(raw, 3, axis=-1)
    return logits, means, _log_scale(raw_scales)


def logistic_mixture_logits(
    raw: Float[Array, "*event outputs"], *, num_levels: int
) -> Float[Array, "*event k"]:
    """Log-probabilities of all levels under a mixture of discretised logistics, one per coordinate.

    They are the logits of a categorical, so that such a model is sampled exactly and checked as any other. To train,
    take the density itself, which costs one level and not all.

    Args:
        raw: outputs `[..., 3 M]` for M components.
        num_levels: K, the levels of the data, on the grid of [−1, 1].

    Returns:
        Logits `[..., K]`, normalised.

    >>> print(jnp.exp(logistic_mixture_logits(jnp.zeros(3), num_levels=4)).sum().round(4))
    1.0
    """
    grid = jnp.linspace(-1, 1, num_levels, dtype=raw.dtype)

    def coordinate(outputs: Float[Array, " outputs"]) -> Float[Array, " k"]:
        parameters = logistic_mixture_parameters(outputs)
        log_prob = partial(discretized_logistic_mixture_log_prob, num_levels=num_levels)
        return jax.vmap(lambda level: log_prob(level, *parameters))(grid)

    flat = jax.vmap(coordinate)(jnp.reshape(raw, (-1, raw.shape[-1])))
    return jnp.reshape(flat, (*raw.shape[:-1], num_levels))


def _log_scale(raw: Array) -> Array:
    return -7.0 + jax.nn.softplus(raw + 5.5)


def _normal(x: Array, raw: Array) -> Float[Array, ""]:
    mean, log_var = jnp.split(raw, 2)
    return normal_log_prob(
        x, jnp.reshape(mean, x.shape), 12.0 * jnp.tanh(jnp.reshape(log_var, x.shape) / 12.0)
    )


normal_head = Head(2, _normal, lambda raw: jnp.split(raw, 2)[0], discrete=False)
"""Real data; outputs are the mean and the log-variance, bounded smoothly at ±12."""
