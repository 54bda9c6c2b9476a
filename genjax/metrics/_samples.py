"""What two-sample metrics share."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan


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


def squared_distances(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, "n m"]:
    """Squared distances ‖a_i − b_j‖² by differences, which cancel no digits, in [n, m] memory: a few rows at once."""
    row = jax.checkpoint(lambda x: jnp.sum((x[None] - b) ** 2, axis=-1))
    return jax.lax.map(row, a, batch_size=min(16, len(a)))
