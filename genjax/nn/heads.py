"""What a decoder's outputs mean: the likelihood of the data and its mean."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.densities import bernoulli_log_prob, discretized_logistic_log_prob, normal_log_prob

__all__ = ["Head", "bernoulli_head", "discretized_logistic_head", "normal_head"]


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
        The head, with two outputs a dimension.

    >>> discretized_logistic_head(17).num_outputs
    2
    """

    def log_prob(x: Array, raw: Array) -> Float[Array, ""]:
        mean, raw_scale = jnp.split(raw, 2)
        log_scale = -7.0 + jax.nn.softplus(raw_scale + 5.5)
        reshape = partial(jnp.reshape, shape=x.shape)
        return discretized_logistic_log_prob(x, reshape(mean), reshape(log_scale), num_levels=num_levels)

    # Without the quantisation: the centre of the logistic, cut to the range its levels have.
    return Head(2, log_prob, lambda raw: jnp.clip(jnp.split(raw, 2)[0], -1.0, 1.0), discrete=True)


def _normal(x: Array, raw: Array) -> Float[Array, ""]:
    mean, log_var = jnp.split(raw, 2)
    return normal_log_prob(
        x, jnp.reshape(mean, x.shape), 12.0 * jnp.tanh(jnp.reshape(log_var, x.shape) / 12.0)
    )


normal_head = Head(2, _normal, lambda raw: jnp.split(raw, 2)[0], discrete=False)
"""Real data; outputs are the mean and the log-variance, bounded smoothly at ±12."""
