"""Training on meshes and in several processes, against one device: `make test-distributed`.

python -m tests.distributed             # some minutes
python -m tests.distributed --short     # two processes on one mesh
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .runs import DIT, GAN, ROOT, VAE, differences, finished, losses, start, start_two

TOLERANCE = 1e-4
"""Relative: sums over devices are taken in another order."""


def same_curve(out: Path, reference: Path) -> float:
    worst = max(differences(out, reference))
    assert worst < TOLERANCE, f"{out.name}: the loss curve differs by {worst:.1e}"
    return worst


def meshes(folder: Path, recipes: dict, axes: tuple[str, ...]) -> None:
    """One process, eight devices."""
    for name, recipe in recipes.items():
        finished(start(recipe, folder / name, "--steps", 30))
        for mesh in axes:
            out = folder / f"{name} {mesh}"
            finished(start(recipe, out, "--steps", 30, "--mesh", mesh, devices=8))
            worst = same_curve(out, folder / name)
            print(
                f"{name} on --mesh {mesh}: {len(losses(out))} losses, largest difference {worst:.1e}",
                flush=True,
            )


def processes(folder: Path) -> None:
    """Two processes with four devices each, over loopback."""
    finished(start(VAE, folder / "alone", "--steps", 30))
    (_, first, _), (_, second, _) = finished(
        *start_two(VAE, folder / "two", "--steps", 30, "--mesh", "data=4,fsdp=2", devices=4)
    )
    worst = same_curve(folder / "two", folder / "alone")
    for words in ("report:", "loss"):  # what else the second prints are Gloo's own words
        assert words in first
        assert words not in second, f"the second process printed {second!r}"
    print(f"two processes with four devices each: largest difference {worst:.1e}", flush=True)


def other_meshes(folder: Path) -> None:
    """A run that is stopped again and again goes on on other devices each time."""
    finished(start(VAE, folder / "whole", "--steps", 60))
    out, options = folder / "moved", ("--steps", 60, "--checkpoint-seconds", 0)
    places = [(8, "data=4,fsdp=2"), (1, ""), (4, "fsdp=4"), (2, "data=2")]
    for number, (devices, mesh) in enumerate(places):
        resume = ("--resume",) if number else ()
        axes = ("--mesh", mesh) if mesh else ()
        running = start(VAE, out, *options, *resume, *axes, devices=devices)
        if number + 1 < len(places):
            seen = len(losses(out)) if resume else 0
            while running.poll() is None and (
                not (out / "metrics.jsonl").exists() or len(losses(out)) <= seen
            ):
                time.sleep(0.005)
            running.terminate()
            running.communicate()
        else:
            finished(running)
    worst = same_curve(out, folder / "whole")
    print(
        f"one run on {' → '.join(str(d) for d, _ in places)} devices: largest difference {worst:.1e}",
        flush=True,
    )


def main() -> None:
    short = "--short" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = "--xla_force_host_platform_device_count=8"
        subprocess.run(
            [sys.executable, "-m", "tests.distributed.parts"],
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            check=True,
        )
        if not short:
            meshes(folder, {"vae": VAE, "dit": DIT, "gan": GAN}, ("data=8", "fsdp=8", "data=4,fsdp=2"))
            other_meshes(folder)
        processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print("training on meshes and in two processes: all hold")


if __name__ == "__main__":
    main()
