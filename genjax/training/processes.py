"""Several processes that train together: how they meet, and what they decide together."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from genjax.faults import RunError, UsageError, warn

__all__ = ["agreed", "connect", "first_alone", "together"]

T = TypeVar("T")


def connect(coordinator: str, num_processes: int, process: int) -> None:
    """Connect the processes of a run, before any device is used.

    Args:
        coordinator: `auto` where the cluster tells (SLURM, Cloud TPU, Kubernetes and what else JAX detects), or the
            address and port of process 0.
        num_processes: of the run; not with `auto`.
        process: the number of this one, from 0; not with `auto`.

    Raises:
        UsageError: there is no such cluster, or nobody answers at the address; JAX's words are passed on.
    """
    explicit = (
        {}
        if coordinator == "auto"
        else {
            "coordinator_address": coordinator,
            "num_processes": num_processes,
            "process_id": process,
        }
    )
    try:
        jax.distributed.initialize(**explicit)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"--coordinator {coordinator}: {str(error).splitlines()[0]}") from error


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Let only the first process print, and end this one at once where another has died.

    Warnings and errors of every process reach its standard error.
    """
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.ExitStack() as stack:
        if jax.process_index() > 0:
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        try:
            yield
        except jax.errors.JaxRuntimeError as error:
            if jax.process_count() == 1:
                raise
            reason = str(error).splitlines()[0][:200]
            warn(
                f"process {jax.process_index()} cannot go on: {reason}; if another has died, start all with --resume"
            )
            sys.stderr.flush()
            os._exit(1)  # the way out would wait a minute and a half for those that cannot come


def agreed(*facts: int) -> np.ndarray:
    """What each process knows, gathered by all of them: `[processes, facts]`.

    Args:
        *facts: integers.

    >>> agreed(3, 0).tolist()
    [[3, 0]]
    """
    own = np.array(facts)
    return (
        multihost_utils.process_allgather(own).reshape(-1, len(own)) if jax.process_count() > 1 else own[None]
    )


def first_alone(act: Callable[[], T], others: Callable[[], T]) -> T:
    """Process 0 acts first, and the others follow once it has.

    Args:
        act: what process 0 does.
        others: what the others do.

    Raises:
        RunError: in the others, where process 0 failed.
    """
    if jax.process_index() > 0:
        if not agreed(0)[0, 0]:
            raise RunError("process 0 could not go on, and says why")
        return others()
    try:
        result = act()
    except BaseException:
        agreed(0)
        raise
    agreed(1)
    return result
