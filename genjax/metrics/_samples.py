"""The check every two-sample metric begins with."""

from typing import Any

import jax.numpy as jnp

from genjax._checks import check_float, check_not_nan

__all__: list[str] = []


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
