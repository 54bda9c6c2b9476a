"""Checkpoints that can be trusted: Orbax writes them, and a checksum of every array says whether they still hold."""

import zlib
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
    not a flipped byte, so a checksum of every array goes into the metadata, and restoring compares it. A damaged
    checkpoint is named and passed over; one of another structure is an error.

    Args:
        path: the folder.
        keep: how many to keep.
    """

    def __init__(self, path: Path, *, keep: int = 3):
        self._path = Path(path)
        newest = training.preservation_policies.LatestN(keep)
        self._checkpointer = training.Checkpointer(Path(path).absolute(), preservation_policy=newest)

    def save(self, step: int, trees: dict[str, Any]) -> None:
        """Save in the background; a step that is there already is left alone."""
        if step not in [c.step for c in self._checkpointer.checkpoints]:
            metadata = {"checksums": {name: _checksums(tree) for name, tree in trees.items()}}
            self._checkpointer.save_checkpointables_async(
                step, _leaves(trees), force=True, custom_metadata=metadata
            )

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
                metadata: Any = self._checkpointer.metadata(checkpoint.step).custom_metadata
                checksums = metadata["checksums"]
                saved = {f"{part}{name}": entry for part in like for name, entry in checksums[part].items()}
            except Exception as error:  # Orbax has no common base of what damaged files raise
                warn(f"checkpoint {checkpoint.step} is damaged and passed over: {_first_line(error)}")
                continue
            _compare({name: form for name, (form, _) in saved.items()}, expected)
            try:
                leaves = self._checkpointer.load_checkpointables(checkpoint.step, _leaves(like))
                trees = _trees(leaves, like)
            except Exception as error:
                warn(f"checkpoint {checkpoint.step} is damaged and passed over: {_first_line(error)}")
                continue
            found = {
                f"{part}{name}": entry for part in like for name, entry in _checksums(trees[part]).items()
            }
            changed = [name for name, entry in found.items() if entry != saved[name]]
            if not changed:
                return checkpoint.step, trees
            warn(f"checkpoint {checkpoint.step} is damaged and passed over: {changed[0]} fails its checksum")
        raise RunError(f"there is no intact checkpoint in {self._path}; the run must be started anew")

    def close(self) -> None:
        """Wait for what is being written."""
        self._checkpointer.close()


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


def _compare(saved: dict[str, str], expected: dict[str, str]) -> None:
    for name in sorted(saved.keys() | expected.keys()):
        if saved.get(name) != expected.get(name):
            raise RunError(
                f"the checkpoint holds another model: {name} is {saved.get(name, 'absent')} there "
                f"and {expected.get(name, 'absent')} here"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
