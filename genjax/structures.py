"""Structures that hold functions: pytrees whose leaves are their parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax

__all__ = ["Bound"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Bound:
    """A function and its parameters as one pytree: how a structure holds a learned network.

    bound(*args) = apply(params, *args)

    The parameters are leaves, so `jax.grad` of a structure that holds the network trains it; a closure over them in
    a static field has no leaves and is silently never trained. `jax.tree_util.Partial(apply, params)` would do as
    well, but Orbax cannot save it.

    Args:
        params: a pytree of arrays.
        apply: `apply(params, *args)`, static. Pass one function object, not a fresh lambda each time: `jit` compiles
            anew for a new object.

    >>> double = Bound(jnp.array(2.0), jnp.multiply)
    >>> print(double(jnp.array(3.0)), len(jax.tree.leaves(double)))
    6.0 1
    """

    params: Any
    apply: Callable[..., Any] = field(metadata={"static": True})

    def __call__(self, *args: Any) -> Any:
        """Apply the function to its parameters and `args`."""
        return self.apply(self.params, *args)
