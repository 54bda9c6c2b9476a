"""Where arrays live on a mesh of devices: batches split, parameters split or copied; the compiler derives the rest.

Two axes have a meaning. `data` splits the rows of a batch. `fsdp` splits them too, and with them every large array of
parameters and of what an optimizer keeps of them. Outside of `jax.set_mesh` nothing is placed.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from genjax.faults import UsageError

__all__ = [
    "copied",
    "from_processes",
    "gathered",
    "make_mesh",
    "mesh_of",
    "on_host",
    "parse_mesh",
    "replicated",
    "spec_of",
    "split_batch",
    "split_state",
]

AXES = ("data", "fsdp")
SMALLEST = 1024
"""An array of fewer elements is copied to every device: to gather it would cost more than it saves."""


def parse_mesh(text: str) -> dict[str, int]:
    """The axes of a mesh, from an option such as `data=4,fsdp=2`.

    Args:
        text: `data`, `fsdp` or both, each with the number of devices along it.

    Raises:
        UsageError: another name or form, or a name twice.

    >>> parse_mesh("data=4,fsdp=2")
    {'data': 4, 'fsdp': 2}
    """
    axes: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = part.partition("=")
        if name not in AXES or name in axes or not (size.isascii() and size.isdecimal() and int(size) > 0):
            raise UsageError(f"--mesh must be such as data=4, fsdp=2 or data=4,fsdp=2; got {text!r}")
        axes[name] = int(size)
    return axes


def make_mesh(axes: Mapping[str, int]) -> jax.sharding.Mesh:
    """A mesh over all devices of all processes, whose placements the compiler completes.

    Args:
        axes: name to number of devices.

    Raises:
        UsageError: the product is not the number of devices.

    >>> make_mesh({"data": 1}).axis_names
    ('data',)
    """
    needed, found = math.prod(axes.values()), jax.device_count()
    if needed != found:
        text = ",".join(f"{name}={size}" for name, size in axes.items())
        raise UsageError(f"--mesh {text} needs {needed} devices, and there are {found}")
    return jax.make_mesh(tuple(axes.values()), tuple(axes), axis_types=(AxisType.Auto,) * len(axes))


def mesh_of(text: str, batch_size: int) -> jax.sharding.Mesh | None:
    """The mesh of an option; None where it is empty.

    Args:
        text: as `parse_mesh` reads it.
        batch_size: rows of a batch, which all devices divide.

    Raises:
        UsageError: the form, the number of devices or the batch does not fit; or several processes have no mesh.

    >>> mesh_of("data=2", 4)
    Traceback (most recent call last):
        ...
    genjax.faults.UsageError: --mesh data=2 needs 2 devices, and there are 1
    """
    if not text:
        if jax.process_count() > 1:
            raise UsageError("several processes need --mesh, such as data=N for N devices in all")
        return None
    mesh = make_mesh(parse_mesh(text))
    if batch_size % mesh.size:
        raise UsageError(f"--batch-size must be a multiple of the {mesh.size} devices; got {batch_size}")
    return mesh


def split_batch(batch: PyTree[Any]) -> PyTree[Any]:
    """The rows of a batch over all devices of the mesh that is set; where none is, the batch as it is.

    Args:
        batch: arrays `[n, ...]`, n a multiple of the number of devices.

    >>> split_batch(jnp.zeros((4, 2))).shape
    (4, 2)
    """
    axes = tuple(_sizes())
    if not axes:
        return batch
    return jax.tree.map(lambda a: jax.lax.with_sharding_constraint(a, PartitionSpec(axes)), batch)


def split_state(state: PyTree[Any], *, leading: int = 0) -> PyTree[Any]:
    """Parameters, and what an optimizer keeps of them, over the axis `fsdp` of the mesh that is set.

    Args:
        state: arrays of any shapes.
        leading: axes in front that stay whole, such as one of seeds.

    >>> split_state({"w": jnp.zeros((64, 64))})["w"].shape
    (64, 64)
    """
    sizes = _sizes()
    if not sizes:
        return state
    place = lambda a: jax.lax.with_sharding_constraint(a, spec_of(a.shape, sizes.get("fsdp", 1), leading))
    return jax.tree.map(place, state)


def copied(tree: PyTree[Any]) -> PyTree[Any]:
    """Results that every process reads, whole on each device of the mesh that is set.

    Args:
        tree: arrays.

    >>> copied(jnp.zeros(3)).shape
    (3,)
    """
    if not _sizes():
        return tree
    return jax.tree.map(lambda a: jax.lax.with_sharding_constraint(a, PartitionSpec()), tree)


def spec_of(shape: tuple[int, ...], parts: int, leading: int = 0) -> PartitionSpec:
    """How an array is split into parts: along its longest axis that they divide, if it is large enough to gain by it.

    Args:
        shape: of the array.
        parts: devices along `fsdp`.
        leading: axes in front that stay whole.

    >>> tuple(spec_of((3, 256, 1024), 4, leading=1)), tuple(spec_of((3, 7), 4))
    ((None, None, 'fsdp'), ())
    """
    own = shape[leading:]
    divided = [(size, -axis) for axis, size in enumerate(own) if size % parts == 0]
    if parts == 1 or not divided or math.prod(own) < SMALLEST:
        return PartitionSpec()
    return PartitionSpec(*[None] * (leading - max(divided)[1]), "fsdp")


def replicated(tree: PyTree[Any]) -> PyTree[Any]:
    """Copies of the same host arrays on every device of the mesh that is set; where none is, the arrays as they are.

    Args:
        tree: arrays, the same in every process; keys among them.

    >>> replicated(jnp.ones(3)).shape
    (3,)
    """
    mesh = jax.sharding.get_mesh()
    if mesh.empty:
        return tree
    # From the host, because what lies on a device of this process does not go to those of others.
    copy = lambda a: jax.device_put(np.asarray(a), NamedSharding(mesh, PartitionSpec()))

    def one(a: Any) -> Any:
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(copy(jax.random.key_data(a)), impl=jax.random.key_impl(a))
        return copy(a)

    return jax.tree.map(one, tree)


def from_processes(rows: PyTree[Any]) -> PyTree[Any]:
    """A batch on the mesh that is set, of which each process has its own rows; where none is, the rows as they are.

    Args:
        rows: host arrays `[n / processes, ...]`.

    >>> from_processes({"x": np.ones((4, 2))})["x"].shape
    (4, 2)
    """
    mesh = jax.sharding.get_mesh()
    if mesh.empty:
        return rows
    split = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    return jax.tree.map(lambda a: jax.make_array_from_process_local_data(split, np.asarray(a)), rows)


def gathered(tree: PyTree[Any]) -> PyTree[Any]:
    """Arrays that lie on a mesh, whole and on one device of this process; every process calls it alike.

    Args:
        tree: arrays of numbers.

    >>> gathered({"w": jnp.ones(3)})["w"].tolist()
    [1.0, 1.0, 1.0]
    """
    one = lambda a: jnp.asarray(np.asarray(on_host(a))) if len(a.sharding.device_set) > 1 else a
    return jax.tree.map(one, tree)


def on_host(array: Any) -> Any:
    """An array whole, in a form that NumPy takes; parts that lie in other processes are fetched, by all alike.

    Args:
        array: of numbers.

    >>> on_host(jnp.ones(3)).shape
    (3,)
    """
    there = getattr(array, "is_fully_addressable", True) or array.is_fully_replicated
    return array if there else multihost_utils.process_allgather(array, tiled=True)


def _sizes() -> dict[str, int]:
    """The axes of the mesh that is set, in tracing too."""
    shape = jax.sharding.get_abstract_mesh().shape
    return {name: shape[name] for name in AXES if name in shape}
