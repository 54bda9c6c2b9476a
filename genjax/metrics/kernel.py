"""The kernel distance between two sets of samples."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_full_precision
from genjax._matmul import matmul
from genjax.metrics._samples import check_samples

__all__ = ["kernel_distance"]

ROWS = 128
"""Rows of the kernel at once, in memory."""


def kernel_distance(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, ""]:
    """Squared maximum mean discrepancy under a cubic kernel, without bias; KID when the features are Inception's.

    mean_{i≠j} k(a_i, a_j) + mean_{i≠j} k(b_i, b_j) − 2 mean_{ij} k(a_i, b_j), k(x, y) = (x·y/d + 1)³

    An unbiased estimate of a number that is at least 0 is below 0 half of the time where the laws agree, and is not
    clipped. It depends on n and m in its spread alone (`standard_error`). Memory does not grow with n. Matrix
    products run in full precision on every device.

    Args:
        a: `[n, d]`, n ≥ 2.
        b: `[m, d]`, m ≥ 2.

    Returns:
        The squared distance, in units of the kernel.

    Raises:
        TypeError: an argument is not floating point, or narrower than float32.
        ValueError: shapes do not fit, fewer than two rows, or a NaN.

    Source: Bińkowski et al. (2018), section 4 and equation 4 (of Gretton et al., 2012, equation 3).

    >>> a = jnp.array([[0.0], [1.0]])
    >>> print(kernel_distance(a, jnp.array([[1.0], [2.0]])))  # 1 + 27 − 2 (1 + 1 + 8 + 27)/4
    9.5
    """
    check_full_precision(a=a, b=b)
    check_samples(2, a=a, b=b)
    return _mean_apart(a) + _mean_apart(b) - 2 * _mean(a, b)


def _kernel(products: Array, d: int) -> Array:
    return (products / d + 1) ** 3


def _mean(a: Array, b: Array) -> Array:
    """The mean of the kernel over all pairs, by means of rows, which keep the digits of a long sum."""
    row = jax.checkpoint(lambda x: jnp.mean(_kernel(matmul(b, x), a.shape[1])))
    return jnp.mean(jax.lax.map(row, a, batch_size=min(ROWS, len(a))))


def _mean_apart(a: Array) -> Array:
    """The same over pairs of different rows: a sum less its diagonal would cancel."""

    @jax.checkpoint
    def row(one: tuple[Array, Array]) -> Array:
        i, x = one
        others = jnp.where(jnp.arange(len(a)) == i, 0.0, _kernel(matmul(a, x), a.shape[1]))
        return jnp.sum(others) / (len(a) - 1)

    return jnp.mean(jax.lax.map(row, (jnp.arange(len(a)), a), batch_size=min(ROWS, len(a))))
