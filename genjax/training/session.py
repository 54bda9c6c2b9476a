"""What happens around the chunks of a run: log, progress, checkpoints, and a way to stop that loses nothing."""

import contextlib
import signal
import sys
import time
from types import FrameType
from typing import Any

import jax
import numpy as np
import rich.console
import rich.progress

from genjax.faults import Interrupted, NonFiniteError
from genjax.training.checkpoints import Checkpoints
from genjax.training.driver import Progress
from genjax.training.lock import Lock
from genjax.training.processes import agreed
from genjax.training.run import RunFolder

__all__ = ["Session"]


class Session(contextlib.AbstractContextManager):
    """Give `after_chunk` to `train`; the session logs, shows progress and saves.

    On a terminal a bar is shown, else one line a validation. Ctrl-C or SIGTERM ends the run after the chunk it is in,
    with a checkpoint, and says how to go on; a second Ctrl-C ends it at once. Where a metric stops being finite, the
    last good progress is saved before the error passes on. Several processes save together when the clock of the
    first says so, and stop together when one of them is told to.

    Args:
        run: the run folder.
        num_steps: steps of the whole run.
        checkpoint_every: seconds between checkpoints; one is also written at the end.
        tensorboard: also write TensorBoard events (the `tensorboard` extra).
        name: of the model, where a run trains several one after the other.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        num_steps: int,
        checkpoint_every: float = 60.0,
        tensorboard: bool = False,
        name: str = "",
    ):
        self.run = run
        self.checkpoints = Checkpoints(run.checkpoints(name), run=run.identity(name))
        self._label = {"model": name} if name else {}
        self._num_steps = num_steps
        self._every = checkpoint_every
        self._saved_at = time.monotonic()
        self._signal: int | None = None
        self._last: Progress | None = None
        self._bar = rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(),
            rich.progress.TextColumn("{task.fields[shown]}"),
            console=rich.console.Console(stderr=True),
            disable=not sys.stderr.isatty() or jax.process_index() > 0,
        )
        self._task = self._bar.add_task(f"training {name}".strip(), total=num_steps, shown="")
        self._events = None
        if tensorboard:
            from tensorboardX import SummaryWriter  # an extra  # pyright: ignore[reportMissingImports]

            self._events = SummaryWriter(str(run.path / "tensorboard" / name))

    def __enter__(self) -> "Session":
        self._lock = Lock.acquire(self.run.path)  # shared with the run's own
        self._previous = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        self._bar.start()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._bar.stop()
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._last is not None and (error is None or isinstance(error, NonFiniteError | Interrupted)):
            self._save(self._last)
        self.checkpoints.close()
        if error is not None:
            self.run.discard_unbegun()
        if self._events is not None:
            self._events.close()

    def resume(self, progress: Progress) -> Progress:
        """Go on from the newest intact checkpoint, or from the start where none was written yet.

        Args:
            progress: a fresh start, for the structure.

        Raises:
            RunError: there are checkpoints, but none is intact or of this structure.
        """
        step = 0
        if self.checkpoints.any():
            step, trees = self.checkpoints.restore(_split(progress))
            progress = _join(**trees)
        self.run.forget_after(step, **self._label)
        self._bar.update(self._task, completed=step)
        print(f"going on from step {step}", flush=True)
        return progress

    def after_chunk(self, progress: Progress, record: dict[str, Any]) -> bool:
        """Log, show and save; raises `Interrupted` after a signal."""
        self._last = progress
        self.run.log(self._label | record)
        shown = f"loss {np.mean(record['loss']):.4g}"
        if "validation_best" in record:
            shown += f"  best validation {np.mean(record['validation_best']):.4g}"
            if self._bar.disable:
                label = "".join(f"{name}  " for name in self._label.values())
                print(f"{label}step {record['step']:7d}  {shown}", flush=True)
        self._bar.update(self._task, completed=record["step"], shown=shown)
        if self._events is not None:
            for name, values in record.items():
                if name != "step":
                    for seed, value in enumerate(values):
                        self._events.add_scalar(f"{name}/{seed}", value, record["step"])
        due, signals = agreed(time.monotonic() - self._saved_at > self._every, self._signal or 0).T
        if due[0]:
            self._save(progress)
        if signals.any():
            raise Interrupted(int(signals.max()), record["step"], self.run.home)
        return False

    def _save(self, progress: Progress) -> None:
        self.checkpoints.save(int(progress.state.step.max()), _split(progress))
        self._saved_at = time.monotonic()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number
        print("\nstopping after this chunk, with a checkpoint; once more to stop at once", file=sys.stderr)


def _split(progress: Progress) -> dict[str, Any]:
    """The selected parameters apart from the rest, so that they can be restored alone."""
    selected = progress.selected
    return {
        "params": selected.params,
        "progress": progress._replace(selected=selected._replace(params=None)),
    }


def _join(params: Any, progress: Progress) -> Progress:
    return progress._replace(selected=progress.selected._replace(params=params))
