"""A run folder that explains itself: configuration with provenance, metrics, summary."""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import platform
import secrets
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data.dataset import Dataset
from genjax.faults import RunError, UsageError, warn
from genjax.training import lock
from genjax.training.lock import Lock

__all__ = ["RunFolder", "provenance"]

CONFIG = {"id": str, "family": str, "config": dict, "data": dict, "provenance": dict}
PROVENANCE = {"data": dict, "versions": dict, "settings": dict, "x64": bool}
"""The parts of `config.json`, and of its provenance, that are read again; and their forms."""
PACKAGES = ("genjax-lab", "jax", "jaxlib", "numpy", "flax", "optax", "orbax-checkpoint")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Args:
        path: the folder.
        lock: the right to write, which `create` and `reopen` take; None where the files are only read.
        first: the folder that the first process writes, where this is another.
        scratch: what `path` is then, removed with the last reference.
    """

    path: Path
    lock: Lock | None = dataclasses.field(default=None, repr=False, compare=False)
    first: Path | None = None
    scratch: Any = dataclasses.field(default=None, repr=False, compare=False)

    @classmethod
    def follow(cls, path: Path) -> "RunFolder":
        """The folder of a run that another process writes: this one reads it, and what it writes itself is scratch.

        Args:
            path: the folder that the first process made or reopened, on a file system that every process sees.
        """
        scratch = tempfile.TemporaryDirectory(prefix="genjax-")
        return cls(Path(scratch.name), first=Path(path), scratch=scratch)

    @property
    def home(self) -> Path:
        """The folder as the user knows it."""
        return self.first or self.path

    @classmethod
    def create(cls, path: Path, family: str, config: Any, data: Dataset) -> "RunFolder":
        """Make the folder and write `config.json`: all that it takes to build the model again, and to find its data.

        Args:
            path: a folder that does not exist or is empty.
            family: the recipe's name.
            config: a dataclass of plain values.
            data: the data set; its checksums go into the provenance.

        Raises:
            UsageError: another process holds the folder.
            RunError: the folder holds something already, or cannot be written.
        """
        path = Path(path)
        content = {
            "id": secrets.token_hex(8),
            "family": family,
            "config": dataclasses.asdict(config),
            "data": data.spec._asdict(),
            "provenance": provenance() | {"data": data.checksums()},
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = Lock.acquire(path)
            try:
                _refuse_used(path)
                cls(path).write_json("config.json", content)
            except BaseException:
                del held  # what a traceback refers to would stay locked
                raise
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
        return cls(path, held)

    @classmethod
    def reopen(
        cls, path: Path, family: str, config: Any, data: Dataset, *, free: tuple[str, ...]
    ) -> "RunFolder":
        """Open the folder of a run to go on with it; another version of a package is warned of.

        Args:
            path: the folder.
            family: the recipe's name; must be the run's own.
            config: the configuration now; it must be the run's own, but for the fields in `free`.
            data: the data set; must be the run's own.
            free: names of fields that may differ.

        Raises:
            UsageError: there is no run, another process holds it, or the configuration or the data differ; the fields
                are named.
            RunError: the folder cannot be written, or `config.json` is damaged.
        """
        run = cls(Path(path))
        run.read_json("config.json")  # a lock would leave a file where there is no run
        try:
            run = cls(run.path, Lock.acquire(run.path))
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror}") from error
        content = run.read_config()
        saved, facts = content["config"] | {"family": content["family"]}, content["provenance"]
        now = json.loads(json.dumps(_plain(dataclasses.asdict(config) | {"family": family})))
        bound = lambda fields: {name: value for name, value in fields.items() if name not in free}
        if changed := _changes(bound(saved), bound(now)):
            raise UsageError(f"the run in {path} has another configuration: {changed}")
        if changed := _changes(facts["data"], data.checksums()):
            raise UsageError(f"the run in {path} was of other data: the checksum of {changed}")
        if changed := _changes(_made_by(facts), _made_by(provenance())):
            warn(f"the run in {path} may not go on bit for bit: {changed}")
        return run

    def identity(self, name: str = "") -> str:
        """What tells the checkpoints of a model of this run from all others: the run's id, and the model's name.

        A folder without `config.json`, which `create` did not make, has no id.
        """
        known = (self.home / "config.json").exists()
        return f"{self.read_config()['id'] if known else ''} {name}".strip()

    def read_config(self) -> dict[str, Any]:
        """What `create` wrote, whose parts have their forms.

        Raises:
            UsageError: there is no run.
            RunError: it cannot be read, or a part is missing or has another form; it is named.
        """
        content = self.read_json("config.json")
        for part, forms in (("", CONFIG), ("provenance", PROVENANCE)):
            for name, form in forms.items():
                value = (content[part] if part else content).get(name)
                if not isinstance(value, form):
                    what = "missing" if value is None else f"a {type(value).__name__}"
                    raise RunError(f"{self.home / 'config.json'} is not one of a run: {name} is {what}")
        return content

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a file of the run.

        Raises:
            UsageError: there is none.
            RunError: it cannot be read.
        """
        try:
            content = json.loads((self.home / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(f"there is no run in {self.home}: {name} is missing") from error
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"cannot read {self.home / name}: {error}") from error
        if not isinstance(content, dict):
            raise RunError(f"{self.home / name} is not one of a run: it holds a {type(content).__name__}")
        return content

    def checkpoints(self, name: str = "") -> Path:
        """Where the checkpoints of a model lie; `name` tells several models of one run apart."""
        return self.home / (f"checkpoints-{name}" if name else "checkpoints")

    def release(self) -> None:
        """Let other processes write in the folder: the run has ended."""
        if self.lock is not None:
            self.lock.release()

    def discard_unbegun(self) -> None:
        """Remove what `create` made where nothing was measured yet, so that the same command can run again."""
        if not (self.path / "metrics.jsonl").exists():
            (self.path / "config.json").unlink(missing_ok=True)
            self.release()
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
        self.write_bytes(name, content.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        temporary = self.path / f".{name}.part"
        with self._writing(name):
            temporary.write_bytes(content)
            os.replace(temporary, self.path / name)

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        line = json.dumps(_plain(record), allow_nan=False) + "\n"
        with (
            self._writing("metrics.jsonl"),
            (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file,
        ):
            file.write(line)

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = "choose another --out" if name == "config.json" else "--resume goes on once it can be"
            raise RunError(f"cannot write {self.path / name}: {error.strerror}; {remedy}") from error

    def read_log(self) -> list[dict[str, Any]]:
        """All lines of `metrics.jsonl`, none where it is not there; a torn last line is dropped with a warning.

        Raises:
            RunError: another line is damaged.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = path.read_bytes().splitlines(keepends=True)
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(_record(line))
            except ValueError as error:
                if number < len(lines):
                    raise RunError(f"{path}, line {number}, is damaged: {error}") from error
                warn(f"{path}: the last line is torn, and dropped")
        return records


def _refuse_used(path: Path) -> None:
    there = sorted(entry.name for entry in path.iterdir() if entry.name != lock.NAME)
    if "config.json" in there:
        raise RunError(f"{path} already holds a run; --resume goes on with it, another --out begins anew")
    if there:
        some = ", ".join(there[:3]) + (", …" if len(there) > 3 else "")
        raise RunError(f"{path} already holds files that are no run's ({some}); choose another --out")


def _record(line: bytes) -> dict[str, Any]:
    record = json.loads(line)
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise ValueError("no object with a step")
    return record


def provenance() -> dict[str, Any]:
    """What a reader needs to repeat the run: command, date, commit, versions, device."""
    import jax  # not when a script only prints its help

    return {
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **_commit(),
        "python": platform.python_version(),
        "versions": _versions(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "x64": jax.numpy.result_type(float).itemsize == 8,
        "settings": {
            name: value
            for name, value in sorted(os.environ.items())
            if name in ("NPROC", "XLA_FLAGS") or name.startswith("JAX_")
        },
    }


def _made_by(facts: dict[str, Any]) -> dict[str, Any]:
    """What of its provenance decides the bits of a run."""
    return facts["versions"] | {"x64": facts["x64"], "XLA_FLAGS": facts["settings"].get("XLA_FLAGS")}


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In words, the names of two tables whose values differ."""
    names = sorted(before.keys() | now.keys())
    return "; ".join(
        f"{name} was {before.get(name)} and is {now.get(name)}"
        for name in names
        if before.get(name) != now.get(name)
    )


def _commit() -> dict[str, Any]:
    """The commit of this project's own repository, and whether its files differ; None where there is none."""
    root = Path(__file__).parents[2]
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return {"commit": None, "dirty": None}
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
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
