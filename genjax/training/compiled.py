"""A function compiled ahead of its first call, so that it is known whether it fits and what a call alone costs."""

from collections.abc import Callable
from typing import Any

import jax
import psutil

__all__ = ["compiled"]


def compiled(fn: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """Compile a function for arguments of these shapes.

    Args:
        fn: any function of arrays.
        *args: arguments, for their structure and shapes.

    Returns:
        The compiled function, of arguments of the same structure.

    Raises:
        MemoryError: its temporary and output arrays need more memory than is free; both are named.

    >>> compiled(lambda x: x + 1, jnp.zeros(()))(jnp.ones(())).item()
    2.0
    """
    # Leaves alone, because a lowered signature fills structures with what are no arrays.
    leaves, structure = jax.tree.flatten(args)
    program = jax.jit(lambda *leaves: fn(*structure.unflatten(leaves))).lower(*leaves).compile()
    _check_memory(program)
    return lambda *args: program(*jax.tree.leaves(args))


def _check_memory(program: jax.stages.Compiled) -> None:
    analysis = program.memory_analysis()
    if analysis is None:  # some backends do not say
        return
    needed = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    free = _free(jax.local_devices()[0])
    if free is not None and needed > free:
        raise MemoryError(
            f"a compiled program needs about {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            f"a smaller batch, fewer seeds or fewer samples would fit"
        )


def _free(device: Any) -> int | None:
    if device.platform == "cpu":
        return psutil.virtual_memory().available
    stats = device.memory_stats()
    return stats["bytes_limit"] - stats["bytes_in_use"] if stats else None
