"""Whether a compiled program fits, known before it runs."""

from typing import Any

import jax
import psutil

__all__ = ["check_memory"]


def check_memory(program: jax.stages.Compiled) -> None:
    """Raise unless the memory a program needs is free.

    Args:
        program: a compiled function; its temporary and output arrays count, its arguments are there already.

    Raises:
        MemoryError: naming what it needs and what is free.
    """
    analysis = program.memory_analysis()
    if analysis is None:  # some backends do not say
        return
    needed = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    free = _free(jax.devices()[0])
    if free is not None and needed > free:
        raise MemoryError(
            f"a training step needs about {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            f"a smaller batch, fewer seeds or fewer samples would fit"
        )


def _free(device: Any) -> int | None:
    if device.platform == "cpu":
        return psutil.virtual_memory().available
    stats = device.memory_stats()
    return stats["bytes_limit"] - stats["bytes_in_use"] if stats else None
