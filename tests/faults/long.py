"""A long run keeps its memory, its programs and its files; and every script is clean under JAX's own checks.

python -m tests.faults.long             # 50,000 steps, and every script twice
python -m tests.faults.long --short     # 3,000 steps, and one of the scripts
"""

import contextlib
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
import psutil

from genjax.data import load
from genjax.recipes.vae import PRESETS, model
from genjax.training import open_run
from genjax.training.session import Session

from ..distributed.runs import ended, start
from .kills import newest_record

# TensorStore 0.1.86 never frees the JSON that it gives to Orbax, some 300 bytes of each array a save; with a
# checkpoint after each hundred steps memory grew by 3.2 % in this run. One a second is still sixty times as often as
# a run makes by itself.
MOST_GROWTH = 0.02
CHECKPOINT_SECONDS = 1.0
BRIEF = ("--steps", "4", "--validate-every", "2", "--seeds", "2", "--test-examples", "20")
SMALL = (*BRIEF, "--batch-size", "8", "--width", "8", "--layers", "1")
SCRIPTS = {
    "vae": ("vae", "digits", *BRIEF, "--hidden", "8", "--latents", "2", "--evidence-samples", "3"),
    "autoencoder": ("autoencoder", "digits", *BRIEF, "--hidden", "8", "--latents", "2"),
    "flow": ("flow", "circle", *BRIEF, "--layers", "1", "--hidden", "8", "--bins", "4"),
    "autoregressive": (
        *("autoregressive", "digits", *BRIEF, "--width", "8", "--layers", "1"),
        *("--heads", "2", "--num-samples", "70"),
    ),
    "energy of digits": (
        *("energy", "digits", *BRIEF, "--hidden-units", "6", "--batch-size", "20"),
        *("--chains", "20", "--temperatures", "50"),
    ),
    "energy of a ring": ("energy", "ring", *BRIEF, "--temperatures", "20", "--annealing-chains", "20"),
    "gan": ("gan", "ring", *BRIEF, "--batch-size", "8", "--hidden", "8", "--pack", "2"),
    "diffusion": ("diffusion", "ring", *SMALL, "--sampling-steps", "3", "--likelihood-examples", "20"),
    "score": ("score", "ring", *SMALL, "--levels", "2", "--sampling-steps", "2"),
    "flow matching": (
        *("flow_matching", "ring", *SMALL, "--coupling", "optimal"),
        *("--sampling-steps", "3", "--likelihood-examples", "20"),
    ),
    "classifier": ("classifier", "digits", *BRIEF, "--batch-size", "8", "--hidden", "8", "4"),
}
# Leaks are looked for under JAX 0.10: from 0.11 on, diffrax 0.7.2 keeps tracers of each solve of its own.
SWITCHES = ("JAX_DEBUG_NANS", "JAX_CHECK_TRACER_LEAKS")


class Held(NamedTuple):
    """What the process holds after a step: resident bytes, open files, and programs compiled so far."""

    step: int
    memory: int
    files: int
    programs: int

    def __str__(self) -> str:
        return (
            f"step {self.step}: {self.memory / 2**20:.1f} MiB, {self.files} files, {self.programs} programs"
        )


@contextlib.contextmanager
def counted() -> Iterator[list[float]]:
    """The seconds of each compilation inside."""
    programs, active = [], True
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: (
            programs.append(seconds) if active and event.endswith("/backend_compile_duration") else None
        )
    )
    yield programs
    active = False


def long_run(folder: Path, last: int, every: int) -> tuple[list[Held], int]:
    """Train to the last step, saving every second: what is held at every so many steps, and the saves."""
    samples: list[Held] = []
    saved: set[int] = set()
    process, after_chunk = psutil.Process(), Session.after_chunk
    config = replace(
        PRESETS["digits"][1],
        **{"out": folder, "steps": last, "seeds": 1, "hidden": (32,), "batch_size": 32},
        **{"validate_every": 100, "checkpoint_seconds": CHECKPOINT_SECONDS},
    )
    data = load(config.data)

    def watched(session, progress, record):
        stop = after_chunk(session, progress, record)
        saved.add(newest_record(folder))
        if record["step"] % every == 0:
            session.checkpoints._wait()  # its files are open while it is written
            gc.collect()
            samples.append(Held(record["step"], process.memory_info().rss, process.num_fds(), len(programs)))
        return stop

    with (
        counted() as programs,
        mock.patch.object(Session, "after_chunk", watched),
        contextlib.redirect_stdout(None),
    ):
        open_run("vae", config, data).train(model(config, data.spec), data)
    return samples, len(saved - {0})


def keeps_still(samples: list[Held]) -> str:
    """Raise unless nothing grows from the first sample on; else the figures in words."""
    first, last = samples[0], samples[-1]
    growth = max(held.memory for held in samples) / first.memory - 1
    assert growth <= MOST_GROWTH, f"memory grows by {growth:.1%}: {first}; {last}"
    assert {held.files for held in samples} == {first.files}, f"files stay open: {first}; {last}"
    assert last.programs == first.programs, f"programs are compiled again: {first}; {last}"
    return f"{first}; {last}; largest memory {growth:+.2%}"


def clean(name: str, switch: str, out: Path) -> None:
    """Run a script under a switch, and raise unless it ends well."""
    with mock.patch.dict(
        os.environ, {switch: "true", "JAX_COMPILATION_CACHE_DIR": str(out.parent / "cache")}
    ):
        ((code, _, errors),) = ended(start(SCRIPTS[name], out))
    assert code == 0, f"{name} under {switch}:\n{errors}"


def main() -> None:
    short, begun = "--short" in sys.argv, time.monotonic()
    first, last, every = (1000, 3000, 500) if short else (5000, 50_000, 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples, saved = long_run(folder / "long", last, every)
        for held in samples if "--samples" in sys.argv else ():
            print(held, flush=True)
        figures = keeps_still([held for held in samples if held.step >= first])
        print(f"{figures}; {saved} checkpoints; {time.monotonic() - begun:.0f} s", flush=True)
        for script in ("vae",) if short else SCRIPTS:
            for switch in SWITCHES:
                clean(script, switch, folder / f"{script} {switch}")
                print(f"{script} under {switch}: clean", flush=True)
    print(f"long runs: all hold, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
