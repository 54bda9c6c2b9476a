"""A run folder that explains itself: configuration with provenance, metrics, summary."""

import contextlib
import dataclasses
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from genjax.training.driver import NonFiniteError

__all__ = ["RunError", "RunFolder", "exit_on_fault"]

PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax")


class RunError(Exception):
    """A fault the user can mend; its message says how."""


@contextlib.contextmanager
def exit_on_fault() -> Iterator[None]:
    """End a script with one line and code 1 where the user can mend the fault, without a traceback."""
    try:
        yield
    except (RunError, NonFiniteError) as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: {error}") from error


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Args:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: Any) -> "RunFolder":
        """Make the folder and write `config.json`.

        Args:
            path: a folder that does not exist or is empty.
            config: a dataclass of plain values.

        Raises:
            RunError: the folder holds something already, or cannot be written.
        """
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} already holds a run; choose another --out or remove it")
            run = cls(path)
            run.write_json("config.json", {"config": dataclasses.asdict(config), "provenance": provenance()})
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
        return run

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file whole or not at all."""
        self.write_text(name, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write a file whole or not at all."""
        temporary = self.path / f".{name}.part"
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, self.path / name)

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(record), allow_nan=False) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """All lines of `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def provenance() -> dict[str, Any]:
    """What a reader needs to repeat the run: command, commit, versions, device."""
    import jax  # not when a script only prints its help

    return {
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
    }


def _git(*arguments: str) -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _plain(value: Any) -> Any:
    """JSON's own types; a number that is not finite stands as text, because JSON has none."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value
