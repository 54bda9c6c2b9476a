"""Kill one of two processes that train together: the other stops by itself, and both go on."""

import signal
import time
from pathlib import Path

from ..distributed.runs import VAE, ended, finished, start_two
from .kills import assert_same_end, wait_for_progress

OPTIONS = ("--steps", 120, "--validate-every", 20, "--checkpoint-seconds", 0, "--mesh", "data=2,fsdp=2")
MOST_SECONDS = 180


def one_of_two_killed(folder: Path, which: int) -> float:
    """Kill one of them; seconds until the other has ended with an error."""
    reference, out = folder / "both alone", folder / f"without {which}"
    if not reference.exists():
        finished(*start_two(VAE, reference, *OPTIONS))
    both = start_two(VAE, out, *OPTIONS)
    wait_for_progress(both[0], out, 40)
    both[which].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    ((code, _, errors),) = ended(both[1 - which], seconds=MOST_SECONDS)
    seconds = time.monotonic() - begun
    ended(both[which])
    assert code != 0, "the process that was left ended as if all were well"
    assert errors, "the process that was left said nothing"
    finished(*start_two(VAE, out, *OPTIONS, "--resume"))
    assert_same_end(out, reference)
    return seconds
