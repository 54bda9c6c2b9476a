"""What two-sample metrics share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan

ROWS = 16
"""Rows of distances at once, in memory."""


def check_samples(minimum: int, **sets: Any) -> None:
    """Raise unless every set is floating point, `[n, d]` with n ≥ `minimum` and one common d, without NaN."""
    check_float(**sets)
    shapes = {name: jnp.shape(samples) for name, samples in sets.items()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if any(len(shape) != 2 or shape[0] < minimum for shape in shapes.values()):
        raise ValueError(f"samples must be [n, d] with n at least {minimum}; got {listed}")
    if len({shape[1] for shape in shapes.values()}) > 1:
        raise ValueError(f"samples must agree in their last axis; got {listed}")
    check_not_nan(**sets)


def root(square: Array) -> Array:
    """The root, with a derivative of zero at zero, where it has none; of NaN, NaN."""
    apart = square != 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)


def nan_unless_finite(value: Array, *arrays: Array) -> Array:
    """`value`, or NaN where an array is not finite: a comparison with a NaN is false and would hide it."""
    finite = jnp.stack([jnp.all(jnp.isfinite(array)) for array in arrays])
    return jnp.where(jnp.all(finite), value, jnp.nan)


def map_distances(
    fn: Callable[..., Any], a: Float[Array, "n d"], b: Float[Array, "m d"], *extra: Array
) -> Any:
    """`fn(squares_i, i, *extra_i)` for every row of `a`, where `squares_i` are its squared distances to `b`, `[m]`.

    By differences, which cancel no digits, and a few rows at once: the memory does not grow with n.
    """

    @jax.checkpoint
    def row(one: tuple[Array, ...]) -> Any:
        i, x, *rest = one
        return fn(jnp.sum((x[None] - b) ** 2, axis=-1), i, *rest)

    return jax.lax.map(row, (jnp.arange(len(a)), a, *extra), batch_size=min(ROWS, len(a)))
