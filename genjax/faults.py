"""Faults a user can mend, and how a program ends on one: one line, an exit code, no traceback."""

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "EXTRAS",
    "DataError",
    "Fault",
    "Interrupted",
    "NonFiniteError",
    "RunError",
    "Stopped",
    "UsageError",
    "exit_on_fault",
    "missing",
    "warn",
]


EXTRAS = {"matplotlib": "experiments", "sklearn": "experiments", "tensorboardX": "tensorboard"}
"""Packages that only some uses need, and the extra that installs each."""


class Fault(Exception):
    """A fault the user can mend; its message says how, and `code` is what a program exits with."""

    code = 1


class UsageError(Fault):
    """Arguments that do not go together."""

    code = 2


class RunError(Fault):
    """A run folder that is in use, damaged, or cannot be written."""


class DataError(Fault):
    """A data file is missing, cannot be fetched or is not what it should be.

    >>> raise DataError("nothing here")
    Traceback (most recent call last):
        ...
    genjax.faults.DataError: nothing here
    """


class NonFiniteError(Fault, RuntimeError):
    """A metric became NaN or infinite: training on would only spread it."""


class Stopped(Fault):
    """The user ended the program; the message says how to go on."""

    code = 128 + signal.SIGINT


class Interrupted(Stopped):
    """A signal ended the training of a run; a checkpoint holds it.

    Args:
        number: of the signal.
        step: the step the run ended at.
        path: the run folder.
    """

    def __init__(self, number: int, step: int, path: Path):
        super().__init__(
            f"stopped at step {step}; go on with the same command and --resume (run folder {path})"
        )
        self.code = 128 + number


@contextlib.contextmanager
def exit_on_fault() -> Iterator[None]:
    """End a program with one line and no traceback where the user can mend the fault."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no −, ± or ≤ shows a question mark
            stream.reconfigure(errors="replace")
    try:
        yield
    except (Fault, MemoryError) as error:
        warn(str(error))
        raise SystemExit(getattr(error, "code", 1)) from error
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        warn(missing(error.name))
        raise SystemExit(1) from error
    except BrokenPipeError as error:  # who read the output has closed it, as `head` does
        with contextlib.suppress(OSError):
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # else the interpreter complains at its end
        raise SystemExit(128 + signal.SIGPIPE) from error
    except OSError as error:  # a full disk, a folder that may not be written
        warn(f"{error.filename or 'standard output'}: {error.strerror or error}")
        raise SystemExit(1) from error
    except (RuntimeError, ValueError) as error:
        if (message := _of_jax(str(error))) is None:
            raise
        warn(message)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        warn("interrupted")
        raise SystemExit(130) from error


def _of_jax(message: str) -> str | None:
    """What the user can do about a fault that JAX knows by its message alone; None where nothing."""
    if message.startswith("Unable to initialize backend"):
        platforms = f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        return f"JAX finds no such device; {platforms} asks for it: {message.splitlines()[0]}"
    if re.search("for environment 'JAX_|JAX flag jax_", message):
        return f"JAX does not understand one of the JAX_* settings: {message.splitlines()[0]}"
    if "Out of memory" in message:
        first_line = message[message.index("Out of memory") :].splitlines()[0]
        return f"{first_line} Smaller sizes, a smaller batch, fewer seeds or fewer samples would fit."
    return None


def missing(module: str) -> str:
    """What to do about a package that only some uses need."""
    return f"{module} is missing: pip install 'genjax-lab[{EXTRAS[module]}]'"


def warn(message: str) -> None:
    """One line on standard error, with the program's name."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)
