"""Checkpoints that can be trusted: Orbax writes them, a record in each says whose it is and whether it holds."""

import contextlib
import itertools
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from genjax.faults import RunError, warn
from genjax.training.mesh import on_host
from genjax.training.processes import agreed

__all__ = ["Checkpoints"]

training: Any = ocp.training  # its annotations refuse what its documentation passes

RECORD = "record.json"

# TensorStore 0.1.86 never frees what it answers when asked for its metrics, which Orbax does twice a save, for a
# line of its log: some 25 KiB a checkpoint.
with contextlib.suppress(ImportError):  # private to Orbax
    from orbax.checkpoint._src.serialization import tensorstore_utils

    tensorstore_utils.get_tensorstore_raw_bytes = lambda *_, **__: 0


class Checkpoints:
    """The checkpoints of one run, newest kept, written in the background; each holds named trees.

    A tree can be restored without the others: who only samples needs no optimizer. When Orbax has finished one, a
    record is put into its folder: the run, the step, a checksum of every array and one of every file. A checkpoint
    without an intact record was not finished, or is damaged, of another run, or renamed: it is named in one line and
    passed over before Orbax reads it, which would raise, and log, a hundred different things. One of this run with
    another structure is an error.

    Args:
        path: the folder.
        run: what tells this run's checkpoints from others': its id.
        keep: how many to keep.
    """

    def __init__(self, path: Path, *, run: str = "", keep: int = 3):
        self._path = Path(path).absolute()
        self._run = run
        self._keep = keep
        self._unusable: list[int] = []
        self._checkpointer: Any = None  # made by the first save, because it reads what lies there
        self._thread = ThreadPoolExecutor(1)
        self._sealed: Future[None] | None = None

    def save(self, step: int, trees: dict[str, Any]) -> None:
        """Save in the background; a step that is there already is left alone, unless it was passed over."""
        with _on_disk(self._path):
            self._wait()
            self._open()
            if agreed(step in self._steps())[0, 0]:
                return
            record = {
                "run": self._run,
                "step": step,
                "arrays": {name: _checksums(tree) for name, tree in trees.items()},
            }
            response = self._checkpointer.save_checkpointables_async(step, _leaves(trees), force=True)
            self._sealed = self._thread.submit(_seal, response, self._path / str(step), record)

    def any(self) -> bool:
        """Whether any was written to its end, intact or not."""
        return any(self._has_record(step) for step in self._steps())

    def restore(self, like: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Restore the newest checkpoint of this run whose files and arrays pass their checksums.

        Args:
            like: the trees that are wanted, of the same structure, shapes and dtypes, freshly initialised.

        Returns:
            The step and the trees.

        Raises:
            RunError: there is none, none is intact, or they hold another structure.
        """
        for step in sorted(self._steps(), reverse=True):
            try:
                return step, self._restored(step, like)
            except _Unusable as error:
                self._unusable.append(step)
                warn(f"checkpoint {step} is {error} and passed over")
        raise RunError(f"there is no intact checkpoint in {self._path}; the run must be started anew")

    def close(self) -> None:
        """Wait for what is being written."""
        with _on_disk(self._path):
            try:
                self._wait()
            finally:
                self._thread.shutdown()
                if self._checkpointer is not None:
                    self._checkpointer.close()

    def _steps(self) -> list[int]:
        if not self._path.is_dir():
            return []
        return [int(folder.name) for folder in self._path.iterdir() if folder.name.isdecimal()]

    def _has_record(self, step: int) -> bool:
        return (self._path / str(step) / RECORD).exists()

    def _open(self) -> None:
        if self._checkpointer is None:
            unfinished = [step for step in self._steps() if not self._has_record(step)]
            # Kept under another name: somebody may have put it there by mistake.
            for step in {*self._unusable, *unfinished} if jax.process_index() == 0 else ():
                os.replace(self._path / str(step), _free_name(self._path / f"{step}-unusable"))
            agreed(0)  # before the others look
            self._unusable = []
            newest = training.preservation_policies.LatestN(self._keep)
            self._checkpointer = training.Checkpointer(self._path, preservation_policy=newest)

    def _wait(self) -> None:
        if self._sealed is not None:
            self._sealed.result()
            self._sealed = None

    def _restored(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        folder = self._path / str(step)
        record = _read_record(folder)
        if record["run"] != self._run:
            raise _Unusable(f"of another run ({record['run'] or 'without an id'})")
        if record["step"] != step:
            raise _Unusable(f"the one of step {record['step']} under another name")
        if (changed := _changed(record["files"], _file_checksums(folder))) is not None:
            raise _Unusable(f"damaged ({changed} fails its checksum)")
        saved = {
            f"{part}{name}": entry for part in like for name, entry in record["arrays"].get(part, {}).items()
        }
        expected = {f"{part}{name}": _form(array) for part in like for name, array in _named(like[part])}
        _compare({name: form for name, (form, _) in saved.items()}, expected)
        try:
            trees = _trees(ocp.load_checkpointables(str(folder), _leaves(like)), like)
        except Exception as error:  # another version of Orbax; it has no common base of what it raises
            first_line = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise _Unusable(f"not readable ({first_line})") from error
        found = {f"{part}{name}": entry for part in like for name, entry in _checksums(trees[part]).items()}
        if (changed := _changed(saved, found)) is not None:
            raise _Unusable(f"damaged ({changed} fails its checksum)")
        return trees


class _Unusable(Exception):
    """Why a checkpoint is passed over."""


@contextlib.contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    """A full disk, or a folder that may not be written, ends in one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write checkpoints to {path}: {error.strerror or error}") from error


def _seal(response: Any, folder: Path, record: dict[str, Any]) -> None:
    """Once Orbax is done, record what lies there: from then on the checkpoint counts."""
    response.result()
    if jax.process_index() > 0:
        return
    record = record | {"files": _file_checksums(folder)}
    temporary = folder.with_name(f".{folder.name}.part")
    temporary.write_text(json.dumps({"record": record, "checksum": _checksum(record)}), encoding="utf-8")
    os.replace(temporary, folder / RECORD)


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        record, checksum = content["record"], content["checksum"]
    except FileNotFoundError as error:
        raise _Unusable("unfinished (it has no record)") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _Unusable("damaged (its record cannot be read)") from error
    if checksum != _checksum(record):
        raise _Unusable("damaged (its record fails its checksum)")
    forms = {"run": str, "step": int, "arrays": dict, "files": dict}
    if not isinstance(record, dict) or not all(isinstance(record.get(name), forms[name]) for name in forms):
        raise _Unusable("damaged (its record is none)")
    return record


def _checksum(record: Any) -> int:
    return zlib.crc32(json.dumps(record, sort_keys=True).encode())


def _file_checksums(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / RECORD)
    return {str(path.relative_to(folder)): zlib.crc32(path.read_bytes()) for path in files}


def _changed(saved: dict[str, Any], found: dict[str, Any]) -> str | None:
    """The first name, by the alphabet, on which two tables differ."""
    names = sorted(saved.keys() | found.keys())
    return next((name for name in names if saved.get(name) != found.get(name)), None)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}-{i}") for i in itertools.count(1))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def _leaves(trees: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The arrays of each tree by number, because Orbax does not take structures of every kind."""
    return {
        part: {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(tree))} for part, tree in trees.items()
    }


def _trees(leaves: dict[str, dict[str, Any]], like: dict[str, Any]) -> dict[str, Any]:
    """The trees again, with the structure of `like`."""
    ordered = {part: [arrays[str(i)] for i in range(len(arrays))] for part, arrays in leaves.items()}
    return {part: jax.tree.structure(tree).unflatten(ordered[part]) for part, tree in like.items()}


def _named(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]


def _form(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _checksums(tree: Any) -> dict[str, list[Any]]:
    return {
        name: [_form(array), zlib.crc32(np.ascontiguousarray(on_host(array)).tobytes())]
        for name, array in _named(tree)
    }


def _compare(saved: dict[str, str], expected: dict[str, str]) -> None:
    for name in sorted(saved.keys() | expected.keys()):
        if saved.get(name) != expected.get(name):
            raise RunError(
                f"the checkpoint holds another model: {name} is {saved.get(name, 'absent')} there "
                f"and {expected.get(name, 'absent')} here"
            )
