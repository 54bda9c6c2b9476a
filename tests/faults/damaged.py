"""Damaged checkpoints of arrays that lie on eight devices: found every time, and the one before is used instead.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m tests.faults.damaged
"""

import contextlib
import io
import random
import shutil
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from genjax.training.checkpoints import Checkpoints
from genjax.training.mesh import make_mesh

from ..training.test_mutations import TREE, contents, mutations, write


def placed(tree, spec: PartitionSpec):
    mesh = make_mesh({"data": 2, "fsdp": 4})
    return {"w": jax.device_put(tree["w"], NamedSharding(mesh, spec)), "n": tree["n"]}


def main(flips: int = 6) -> None:
    """Written from four parts, and restored into two: onto another mesh."""
    parts, like = placed(TREE, PartitionSpec("fsdp")), placed(TREE, PartitionSpec("data"))
    tried, rng = 0, random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder / "ours", "ours", 0, parts)
        foreign = write(folder / "foreign", "foreign", 1, parts)
        for kind, mutate in mutations(path, foreign, rng, flips=flips):
            shutil.copytree(path, folder / "copy")
            mutate(folder / "copy" / "2")
            changed = contents(folder / "copy" / "2") != contents(path / "2")
            said = io.StringIO()
            with (
                contextlib.redirect_stderr(said),
                contextlib.closing(Checkpoints(folder / "copy", run="ours")) as ours,
            ):
                step, trees = ours.restore({"params": like})
            assert step == (1 if changed else 2), kind
            assert trees["params"]["w"].sharding.is_equivalent_to(like["w"].sharding, 1), kind
            np.testing.assert_array_equal(trees["params"]["w"], jnp.asarray(TREE["w"]) + step, err_msg=kind)
            assert len(said.getvalue().splitlines()) == changed, (kind, said.getvalue())
            shutil.rmtree(folder / "copy")
            tried += changed
    print(
        f"{tried} mutations of a checkpoint on {jax.device_count()} devices: each found, never a wrong number"
    )


if __name__ == "__main__":
    main()
