"""Runs of the experiments on forced host devices, in one process or several over loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

SMALL = ("--seeds", "2", "--batch-size", "32", "--validate-every", "10", "--test-examples", "20")
VAE = ("vae", "digits", "--hidden", "64", "--latents", "2", "--evidence-samples", "5", *SMALL)
DIT = (
    *("diffusion", "digits", "--network", "dit", "--width", "32", "--layers", "2", "--heads", "2"),
    *("--sampling-steps", "2", *SMALL),
)
GAN = ("gan", "ring", "--hidden", "64", *SMALL)


def start(recipe: tuple[str, ...], out: Path, *options: object, devices: int = 1) -> subprocess.Popen[str]:
    """Start an experiment on so many devices; its words are kept."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    script, preset, *settings = recipe
    command = [sys.executable, f"experiments/{script}.py", preset, *settings, "--out", str(out)]
    return subprocess.Popen(
        [*command, *map(str, options)],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(
    recipe: tuple[str, ...], out: Path, *options: object, devices: int = 2
) -> list[subprocess.Popen[str]]:
    """Start both processes of one run, each with so many devices."""
    address = ("--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", 2)
    return [start(recipe, out, *options, *address, "--process", k, devices=devices) for k in range(2)]


def ended(*running: subprocess.Popen[str], seconds: float = 600) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each, once all have ended."""
    words = [process.communicate(timeout=seconds) for process in running]
    return [(process.returncode, *both) for process, both in zip(running, words, strict=True)]


def finished(*running: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    """As `ended`; all must have ended well."""
    results = ended(*running)
    for code, _, errors in results:
        assert code == 0, errors
    return results


def losses(out: Path) -> list[float]:
    """The loss of each seed at each record."""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [value for line in lines for value in json.loads(line)["loss"]]


def differences(out: Path, reference: Path) -> Iterator[float]:
    """Relative differences of two loss curves."""
    pairs = zip(losses(out), losses(reference), strict=True)
    return (abs(a - b) / max(abs(b), 1e-9) for a, b in pairs)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
