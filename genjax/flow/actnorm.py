"""The data-dependent initialisation of activation normalisation."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_values
from genjax.flow.bijector import Bijector
from genjax.flow.channels import ActNorm
from genjax.flow.compose import Chain, Invert, Split, halves
from genjax.flow.context import bind

__all__ = ["fit_actnorm"]


def fit_actnorm(bijector: Bijector, x_batch: Float[Array, "n *event"], *, contexts: Any = None) -> Bijector:
    """Set every `ActNorm` so that it whitens the data that reach it: mean 0, variance 1 in each channel.

    Going from data to noise: shift = mean and log_scale = log std, over the batch and the pixels

    The walk enters `Chain`, `Invert` and `Split`; what `Fixed` holds is left alone. It is pure and runs under `jit`.
    Call it once, before training: from then on the values are ordinary parameters. This function couples examples.

    Args:
        bijector: a flow with `ActNorm`s of any values.
        x_batch: data, `[n, *event]`, n at least 2.
        contexts: of a conditional flow (`genjax.flow.given`), the context of each example, leaves `[n, ...]`.

    Returns:
        A bijector of the same structure; contexts are not bound in it.

    Raises:
        TypeError: `x_batch` is not floating point.
        ValueError: `x_batch` has fewer than two rows, a NaN, or a channel that is constant up to round-off (NaN under
            `jit`); the flat position in the message is the channel.

    Source: Kingma and Dhariwal (2018), section 3.1; Salimans and Kingma (2016), section 3.

    >>> layer = fit_actnorm(ActNorm(jnp.zeros(1), jnp.zeros(1)), jnp.array([[1.0], [5.0]]))
    >>> print(layer.shift, jnp.exp(layer.log_scale))
    [3.] [2.]
    """
    check_float(x_batch=x_batch)
    if jnp.ndim(x_batch) == 0 or x_batch.shape[0] < 2:
        raise ValueError(f"x_batch must be [n, *event] with n at least 2; got shape {jnp.shape(x_batch)}")
    check_not_nan(x_batch=x_batch)
    return _fit(bijector, x_batch, contexts, to_noise=True)[0]


def _fit(bijector: Bijector, batch: Array, contexts: Any, *, to_noise: bool) -> tuple[Bijector, Array]:
    """The fitted bijector, and the batch on its other side; the walk leaves by `inverse` if `to_noise`."""
    if isinstance(bijector, Chain):
        parts = list(bijector.bijectors)
        for i in reversed(range(len(parts))) if to_noise else range(len(parts)):
            parts[i], batch = _fit(parts[i], batch, contexts, to_noise=to_noise)
        return Chain(tuple(parts)), batch
    if isinstance(bijector, Invert):
        inner, batch = _fit(bijector.bijector, batch, contexts, to_noise=not to_noise)
        return Invert(inner), batch
    if isinstance(bijector, Split):
        half, passing = halves(batch)
        inner, half = _fit(bijector.bijector, half, contexts, to_noise=to_noise)
        return Split(inner), jnp.concatenate([half, passing], axis=-1)
    if isinstance(bijector, ActNorm):
        bijector = _whitening(batch, to_noise=to_noise)

    def move(event: Array, context: Any) -> Array:
        bound = bijector if context is None else bind(bijector, context)
        return (bound.inverse(event) if to_noise else bound.forward(event))[0]

    return bijector, jax.vmap(move)(batch, contexts)


def _whitening(batch: Array, *, to_noise: bool) -> ActNorm:
    axes = tuple(range(batch.ndim - 1))
    # Measured from a value of its own, a constant channel has a spread of exactly zero, however large it is; in units
    # of the range, no square overflows.
    least = jnp.min(batch, axis=axes)
    above = batch - jnp.expand_dims(least, axes)
    length = jnp.max(above, axis=axes)
    mean = least + jnp.mean(above, axis=axes)
    std = length * jnp.std(above / jnp.expand_dims(jnp.where(length > 0, length, 1.0), axes), axis=axes)
    # A spread of a few roundings of the values is that of the arithmetic and not of the data.
    varies = std > 4 * jnp.finfo(batch.dtype).eps * jnp.max(jnp.abs(batch), axis=axes)
    check_values(
        "the standard deviation of each channel at an ActNorm",
        std,
        varies,
        "exceed the round-off of its values",
    )
    log_std = jnp.log(jnp.where(varies, std, jnp.nan))
    if to_noise:
        return ActNorm(shift=mean, log_scale=log_std)
    return ActNorm(shift=-mean * jnp.exp(-log_std), log_scale=-log_std)
