"""One public function as the battery calls it, and the arrays that examples are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

RNG = np.random.default_rng(42)
KEY = jax.random.key(0)

ONE, TWO, NAN = jnp.zeros(1), jnp.zeros(2), jnp.array([0.0, jnp.nan])
INTS = jnp.zeros(2, int)


@dataclass(frozen=True)
class Row:
    """How to call one public function.

    Floating arrays stand in NumPy float64 and are cast to each dtype of the battery; keys and integers pass as
    they are.

    Args:
        call: a function of arrays alone; callables and options are bound in it.
        args: example arguments.
        gradient: "exact" where jax.grad is the derivative (compared with finite differences), "estimator" where it
            is meant to differ from it, "none" where the value is not differentiable.
        bfloat16: whether bfloat16 is accepted; else it must be refused by TypeError.
        slow: whether only `make test-all` runs the battery: of functions that wrap one which is always run.
    """

    call: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: str = "exact"
    bfloat16: bool = True
    slow: bool = False


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) * 0.5


def covariance(d: int) -> np.ndarray:
    factor = RNG.normal(size=(d, d))
    return factor @ factor.T / d + 0.5 * np.eye(d)
