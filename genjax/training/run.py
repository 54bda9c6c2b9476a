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

from genjax.data.dataset import Dataset
from genjax.data.files import DataError
from genjax.training.driver import NonFiniteError

__all__ = ["Interrupted", "RunError", "RunFolder", "UsageError", "check_positive", "exit_on_fault", "warn"]

PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax", "orbax-checkpoint")


class RunError(Exception):
    """A fault the user can mend; its message says how."""


class UsageError(RunError):
    """Arguments that do not go together."""


class Interrupted(Exception):
    """A signal ended the run; a checkpoint holds it."""

    def __init__(self, number: int, step: int, path: Path):
        super().__init__(
            f"stopped at step {step}; go on with the same command and --resume (run folder {path})"
        )
        self.number = number


@contextlib.contextmanager
def exit_on_fault() -> Iterator[None]:
    """End a script with one line and no traceback where the user can mend the fault.

    Code 1 for a fault, 2 for wrong usage, and 128 plus the number of a signal.
    """
    codes = {UsageError: 2, RunError: 1, NonFiniteError: 1, DataError: 1, MemoryError: 1}
    try:
        yield
    except Interrupted as error:
        warn(str(error))
        raise SystemExit(128 + error.number) from error
    except tuple(codes) as error:
        warn(str(error))
        raise SystemExit(next(code for kind, code in codes.items() if isinstance(error, kind))) from error


def check_positive(config: Any, *names: str) -> None:
    """Raise UsageError unless the named options are above zero.

    Args:
        config: a dataclass of options.
        names: its fields.
    """
    for name in names:
        if not getattr(config, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above zero; got {getattr(config, name)}")


def warn(message: str) -> None:
    """One line on standard error, with the script's name."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Args:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: Any, *, data: Dataset | None = None) -> "RunFolder":
        """Make the folder and write `config.json`.

        Args:
            path: a folder that does not exist or is empty.
            config: a dataclass of plain values.
            data: the data set, whose checksums go into the provenance.

        Raises:
            RunError: the folder holds something already, or cannot be written.
        """
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} already holds a run; choose another --out or remove it")
            run = cls(path)
            facts = provenance() | ({"data": data.checksums()} if data else {})
            run.write_json("config.json", {"config": dataclasses.asdict(config), "provenance": facts})
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
        return run

    @classmethod
    def reopen(cls, path: Path, config: Any, *, free: tuple[str, ...]) -> "RunFolder":
        """Open the folder of a run to go on with it.

        Args:
            path: the folder.
            config: the configuration now; it must be the run's own, but for the fields in `free`.
            free: names of fields that may differ.

        Raises:
            UsageError: there is no run, or the configuration differs; the fields are named.
        """
        path = Path(path)
        try:
            saved = json.loads((path / "config.json").read_text(encoding="utf-8"))["config"]
        except FileNotFoundError as error:
            raise UsageError(
                f"there is no run in {path} to resume; leave out --resume to start one"
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"cannot read {path / 'config.json'}: {error}") from error
        now = json.loads(json.dumps(_plain(dataclasses.asdict(config))))
        differing = [
            f"{name} was {saved.get(name)} and is {now.get(name)}"
            for name in sorted(saved.keys() | now.keys())
            if name not in free and saved.get(name) != now.get(name)
        ]
        if differing:
            raise UsageError(f"the run in {path} has another configuration: {'; '.join(differing)}")
        return cls(path)

    def discard_unbegun(self) -> None:
        """Remove what `create` made where nothing was measured yet, so that the same command can run again."""
        if not (self.path / "metrics.jsonl").exists():
            (self.path / "config.json").unlink(missing_ok=True)
            for folder in (*sorted(self.path.glob("**/"), reverse=True), self.path):
                with contextlib.suppress(OSError):  # not empty: it was there before
                    folder.rmdir()

    def forget_after(self, step: int, *, model: str | None = None) -> None:
        """Drop the lines of `metrics.jsonl` beyond a step of a model, which a resumed run writes again."""
        kept = [r for r in self.read_log() if r["step"] <= step or r.get("model") != model]
        self.write_text("metrics.jsonl", "".join(json.dumps(record) + "\n" for record in kept))

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
        """All lines of `metrics.jsonl`; none where it is not there."""
        if not (self.path / "metrics.jsonl").exists():
            return []
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
