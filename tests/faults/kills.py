"""Kill training at random moments, in checkpoints too, go on, and compare the end with a run that was left alone."""

import random
import re
import signal
import time
from pathlib import Path

import jax
import numpy as np

from genjax.recipes import rebuild

from ..distributed.runs import VAE, ended, finished, losses, start

EVERY = 20
OPTIONS = ("--validate-every", EVERY, "--checkpoint-seconds", 0)


def parameters(out: Path) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(rebuild(out).params)]


def assert_same_end(out: Path, reference: Path) -> None:
    for a, b in zip(parameters(out), parameters(reference), strict=True):
        np.testing.assert_array_equal(a, b)
    assert losses(out) == losses(reference)


def newest_record(out: Path) -> int:
    """The step of the newest checkpoint that was written to its end."""
    return max((int(path.parent.name) for path in out.glob("checkpoints/[0-9]*/record.json")), default=0)


def wait_for_progress(running, out: Path, beyond: int) -> None:
    """Until a step has been logged that no run before logged."""
    while running.poll() is None and not (
        (out / "metrics.jsonl").exists() and len(losses(out)) // 2 * EVERY > beyond
    ):
        time.sleep(0.01)


def stopped(folder: Path, times: int, number: int, steps: int) -> int:
    """Stop one run so many times, each time at another moment, and let it end; how many stops found it at work."""
    options = ("--steps", steps, *OPTIONS)
    reference, out, rng, met = folder / "alone", folder / f"stopped by {number}", random.Random(number), 0
    if not reference.exists():
        finished(start(VAE, reference, *options))
    step, words = 0, ""
    for attempt in range(times + 1):
        running = start(VAE, out, *options, *(("--resume",) if (out / "config.json").exists() else ()))
        if attempt == times:
            ((_, words, _),) = finished(running)
        else:
            if attempt % 5:  # else any moment, before training too
                wait_for_progress(running, out, step)
                time.sleep(rng.uniform(0, 1))
            else:
                time.sleep(rng.uniform(0, 12))
            met += running.poll() is None
            running.send_signal(number)
            ((code, words, errors),) = ended(running)
            # SIGKILL ends it at any moment, and SIGTERM while nothing is trained; both may come too late.
            if code and (code != -number or number == signal.SIGINT):
                assert code == 128 + number, (code, errors)
                assert "--resume" in errors or "nothing was written" in errors, errors
                assert "Traceback" not in errors, errors
        if found := re.search(r"going on from step (\d+)", words):
            assert int(found[1]) >= step, f"went on from step {found[1]}, and {step} had been saved"
        step = newest_record(out)
    assert_same_end(out, reference)
    return met
