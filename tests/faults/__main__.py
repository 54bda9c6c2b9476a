"""Kill, stop and damage runs, for real, and prove that nothing is lost: `make test-faults`.

python -m tests.faults             # a quarter of an hour
python -m tests.faults --short     # a few of each
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..distributed.runs import ROOT
from .hosts import one_of_two_killed
from .kills import stopped


def main() -> None:
    short, begun = "--short" in sys.argv, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps, stops = 6000, {signal.SIGKILL: 30, signal.SIGTERM: 5, signal.SIGINT: 5}
        if short:
            steps, stops = 600, {signal.SIGKILL: 2, signal.SIGTERM: 1}
        for number, times in stops.items():
            met = stopped(folder, times, number, steps)
            print(
                f"{signal.Signals(number).name} {times} times, {met} while at work: "
                "the end is that of a run left alone, bit for bit",
                flush=True,
            )
        for which in (1,) if short else (0, 1):
            seconds = one_of_two_killed(folder, which)
            print(
                f"process {which} of two killed: the other stopped after {seconds:.0f} s, and both went on to the "
                "same end, bit for bit",
                flush=True,
            )
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    inputs = ("tests.faults.inputs", "--num", "4000" if short else "100000")
    for module, environment in ((("tests.faults.damaged",), {"XLA_FLAGS": flags}), (inputs, {})):
        command = [sys.executable, "-m", *module]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment, check=True)
    print(f"faults: all hold, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
