"""Work of some steps alone, without its cost in the others."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

__all__ = ["lazily"]


def lazily(fn: Callable[..., Any], due: Bool[Array, ""], *args: Any) -> Any:
    """`fn(*args)` where it is due and zeros elsewhere, without its cost there: under vmap over seeds too.

    Args:
        fn: any function of arrays; no gradient passes through it.
        due: whether to call it; over seeds that step alike one number.
        *args: its arguments.

    Returns:
        A result of `fn`, or zeros of its structure.

    >>> print(lazily(jnp.exp, jnp.array(True), jnp.zeros(())), lazily(jnp.exp, jnp.array(False), jnp.zeros(())))
    1.0 0.0
    """
    args = jax.lax.stop_gradient(args)
    nothing = lambda fn, args: jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(fn, *args)
    )

    @jax.custom_batching.custom_vmap
    def run(due: Array, args: Any) -> Any:
        return jax.lax.cond(due, lambda: fn(*args), lambda: nothing(fn, args))

    @run.def_vmap
    def run_seeds(axis_size: int, in_batched: Any, due: Array, args: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda batched: 0 if batched else None, in_batched)
        # A condition on what differs between seeds would compute both branches for all of them.
        one = lambda due, args: jax.tree.map(lambda leaf: jnp.where(due, leaf, 0), fn(*args))
        seeds = jax.vmap(one, tuple(axes), axis_size=axis_size)
        out = jax.lax.cond(jnp.any(due), seeds, lambda *args: nothing(seeds, args), due, args)
        return out, jax.tree.map(lambda leaf: True, out)

    return run(due, args)
