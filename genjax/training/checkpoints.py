"""Checkpoints that can be trusted: Orbax writes them, and a checksum of every array says whether they still hold."""

import contextlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from genjax.faults import RunError, warn

__all__ = ["Checkpoints"]

training: Any = ocp.training  # its annotations refuse what its documentation passes


class Checkpoints:
    """The checkpoints of one run, newest kept, written in the background; each holds named trees.

    A tree can be restored without the others: who only samples needs no optimizer. Orbax finds a truncated file but
    not a flipped byte, nor a checkpoint that somebody copied or renamed: a record of run, step and the checksum of
    every array goes into the metadata, with a checksum of its own, and restoring compares it. A damaged or foreign
    checkpoint is named in one line and passed over; one of this run with another structure is an error.

    Args:
        path: the folder.
        run: what tells this run's checkpoints from others': its id.
        keep: how many to keep.
    """

    def __init__(self, path: Path, *, run: str = "", keep: int = 3):
        self._path = Path(path)
        self._run = run
        self._passed_over: list[int] = []
        newest = training.preservation_policies.LatestN(keep)
        with _on_disk(self._path):
            self._checkpointer = training.Checkpointer(Path(path).absolute(), preservation_policy=newest)

    def save(self, step: int, trees: dict[str, Any]) -> None:
        """Save in the background; an intact step that is there already is left alone."""
        there = step in [c.step for c in self._checkpointer.checkpoints]
        if there and step not in self._passed_over:
            return
        record = {
            "run": self._run,
            "step": step,
            "checksums": {name: _checksums(tree) for name, tree in trees.items()},
        }
        with _on_disk(self._path):
            self._checkpointer.save_checkpointables_async(
                step,
                _leaves(trees),
                force=True,
                overwrite=there,
                custom_metadata={"record": record, "checksum": _checksum(record)},
            )
        if there:
            self._passed_over.remove(step)

    def any(self) -> bool:
        """Whether any was written, intact or not."""
        return bool(self._checkpointer.checkpoints)

    def restore(self, like: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Restore the newest checkpoint whose arrays pass their checksums.

        Args:
            like: the trees that are wanted, of the same structure, shapes and dtypes, freshly initialised.

        Returns:
            The step and the trees.

        Raises:
            RunError: there is none, none is intact, or they hold another structure.
        """
        expected = {f"{part}{name}": _form(array) for part in like for name, array in _named(like[part])}
        for checkpoint in sorted(self._checkpointer.checkpoints, key=lambda c: -c.step):
            try:
                return checkpoint.step, self._restored(checkpoint.step, like, expected)
            except _Unusable as error:
                self._passed_over.append(checkpoint.step)
                warn(f"checkpoint {checkpoint.step} is {error} and passed over")
        raise RunError(f"there is no intact checkpoint in {self._path}; the run must be started anew")

    def _restored(self, step: int, like: dict[str, Any], expected: dict[str, str]) -> dict[str, Any]:
        with _readable():
            metadata: Any = self._checkpointer.metadata(step).custom_metadata
            record = metadata["record"]
            if metadata["checksum"] != _checksum(record):
                raise _Unusable("damaged (its metadata fail their checksum)")
            run, own_step, checksums = record["run"], record["step"], record["checksums"]
        if run != self._run:
            raise _Unusable(f"of another run ({run or 'without an id'})")
        if own_step != step:
            raise _Unusable(f"the one of step {own_step} under another name")
        saved = {f"{part}{name}": entry for part in like for name, entry in checksums.get(part, {}).items()}
        _compare({name: form for name, (form, _) in saved.items()}, expected)
        with _readable():
            trees = _trees(self._checkpointer.load_checkpointables(step, _leaves(like)), like)
        found = {f"{part}{name}": entry for part in like for name, entry in _checksums(trees[part]).items()}
        changed = [name for name, entry in found.items() if entry != saved[name]]
        if changed:
            raise _Unusable(f"damaged ({changed[0]} fails its checksum)")
        return trees

    def close(self) -> None:
        """Wait for what is being written."""
        with _on_disk(self._path):
            self._checkpointer.close()


class _Unusable(Exception):
    """Why a checkpoint is passed over."""


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What damaged files raise has no common base in Orbax, and more tracebacks on standard error than one."""
    try:
        yield
    except _Unusable:
        raise
    except Exception as error:
        raise _Unusable(f"damaged ({_first_line(error)})") from error


@contextlib.contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    """A full disk, or a folder that may not be written, ends in one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write checkpoints to {path}: {error.strerror or error}") from error


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
        name: [_form(array), zlib.crc32(np.ascontiguousarray(array).tobytes())]
        for name, array in _named(tree)
    }


def _checksum(record: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(record, sort_keys=True).encode())


def _compare(saved: dict[str, str], expected: dict[str, str]) -> None:
    for name in sorted(saved.keys() | expected.keys()):
        if saved.get(name) != expected.get(name):
            raise RunError(
                f"the checkpoint holds another model: {name} is {saved.get(name, 'absent')} there "
                f"and {expected.get(name, 'absent')} here"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
