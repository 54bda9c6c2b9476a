"""Compile a training step of a DiT for many devices, without having them, and say what it would cost.

    python experiments/scaling.py                          # 256 and 2,048 devices; minutes
    python experiments/scaling.py --devices 8 --width 128  # seconds
    python experiments/scaling.py --remat --precision bfloat16

Each number of devices is compiled in a process of its own, on so many forced host devices, from shapes alone: nothing
is allocated and no step is taken. Memory is the compiler's own analysis. FLOPs of matrix products, and what
collectives bring to a device, are read off the compiled program, each as often as its loops run (the cost analysis of
XLA counts a loop once; its figure is kept in the JSON). It is a plan, compiled and not run, and tells no seconds.
"""

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from genjax.faults import RunError, exit_on_fault
from genjax.training.options import Bounds, Count, Depth, Width, check_options

BYTES = {
    "f32": 4,
    "bf16": 2,
    "f16": 2,
    "s32": 4,
    "u32": 4,
    "pred": 1,
    "s8": 1,
    "u8": 1,
    "f64": 8,
    "s64": 8,
    "u64": 8,
}
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")


@dataclass(frozen=True)
class Config:
    """What a training step of a DiT costs on many devices, from its compiled program."""

    devices: tuple[Annotated[int, Bounds(1, 2048)], ...] = (1, 8, 256, 2048)
    """Numbers of devices."""
    fsdp: Count = 8
    """Devices along the axis that splits parameters, at most all of them; the others split batches alone."""
    image: Annotated[int, Bounds(2, 1024)] = 32
    """Pixels on the side of an image of 4 channels, as a latent diffusion model has them."""
    patch: Count = 2
    """Pixels on the side of a patch."""
    width: Width = 1152
    """Width of the residual stream."""
    layers: Depth = 28
    """Blocks."""
    heads: Count = 16
    """Attention heads."""
    per_device: Count = 1
    """Images per device and step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the network."""
    remat: bool = False
    """Compute the blocks again in the backward pass."""
    out: Path | None = None
    """JSON file for the results."""


def compiled_step(config: Config, devices: int) -> dict[str, Any]:
    """Compile the step for so many devices, all of which this process must have."""
    import time

    import jax
    import jax.numpy as jnp
    import optax
    from jax.sharding import NamedSharding, PartitionSpec

    from genjax import diffusion, expectation, nn
    from genjax.training import make_step
    from genjax.training.mesh import make_mesh, split_batch, split_state

    fsdp = math.gcd(config.fsdp, devices)
    mesh = make_mesh({"data": devices // fsdp, "fsdp": fsdp})
    shape = (config.image, config.image, 4)
    sizes = {"patch_size": config.patch, "width": config.width, "num_layers": config.layers}
    network = lambda rngs: nn.DiT(shape, **sizes, num_heads=config.heads, remat=config.remat, rngs=rngs)
    init_network, apply = nn.functional(network)
    schedule = diffusion.linear_schedule()

    def loss(params, key, batch):
        predict = lambda x, t: apply(params, x, t / 1000)
        return expectation(diffusion.l_simple, predict, schedule)(key, batch)

    init, step = make_step(loss, optax.adamw(1e-4))

    def placed_step(state, key, batch):
        state, metrics = step(split_state(state), key, split_batch(batch))
        return split_state(state), metrics

    precision = None if config.precision == "float32" else config.precision
    with jax.set_mesh(mesh), jax.default_matmul_precision(precision):
        state = jax.eval_shape(lambda key: init(init_network(key)), jax.random.key(0))
        start = jax.jit(lambda key: split_state(init(init_network(key)))).lower(jax.random.key(0)).compile()
        struct = lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
        state = jax.tree.map(struct, state, start.output_shardings)
        rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        batch = jax.ShapeDtypeStruct((config.per_device * devices, *shape), jnp.float32, sharding=rows)
        key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype, sharding=NamedSharding(mesh, PartitionSpec()))
        begun = time.perf_counter()
        program = jax.jit(placed_step, donate_argnums=0).lower(state, key, batch).compile()
        seconds = time.perf_counter() - begun
    memory: Any = program.memory_analysis()
    analysis: Any = program.cost_analysis()
    products, received = counted(program.as_text() or "")
    return {
        "devices": devices,
        "mesh": dict(mesh.shape),
        "parameters": sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params)),
        "flops_cost_analysis": analysis["flops"],
        "flops_products": products,
        "bytes_received": received,
        "bytes_arguments": memory.argument_size_in_bytes,
        "bytes_temporary": memory.temp_size_in_bytes,
        "compile_seconds": seconds,
    }


def counted(text: str) -> tuple[float, dict[str, float]]:
    """FLOPs of all matrix products of a compiled program, and the bytes of the results of each kind of collective.

    Args:
        text: the HLO, in which a loop says how often it runs.
    """
    bodies, name = {}, ""
    for line in text.splitlines():
        if head := re.match(r"(?:ENTRY )?(%\S+) .*\{$", line):
            name = "ENTRY" if line.startswith("ENTRY") else head[1]
            bodies[name] = []
        elif name and " = " in line:
            bodies[name].append(line.strip().removeprefix("ROOT "))
    flops, received = 0.0, Counter()

    def visit(name: str, times: int) -> None:
        nonlocal flops
        shapes = {line.split(" = ")[0]: line.split(" = ")[1] for line in bodies[name]}
        for line in bodies[name]:
            _, result, operation, inside = _groups(r"(.*?) = (\(.*?\)|\S+) ([\w-]+)\((.*)", line)
            if operation == "dot":
                left = _dims(shapes[inside.split(",")[0].strip()])
                (contracted,) = _groups(r".*lhs_contracting_dims=\{([\d,]*)\}", inside)
                flops += (
                    times
                    * 2
                    * math.prod(_dims(result))
                    * math.prod(left[int(i)] for i in contracted.split(",") if i)
                )
            if (kind := operation.removesuffix("-start")) in COLLECTIVES:
                received[kind] += times * _bytes(result)
            count = re.search(r'known_trip_count":\{"n":"(\d+)', line) if operation == "while" else None
            for called in re.findall(r"(?:calls|to_apply|body)=(%[\w.-]+)", line):
                visit(called, times * (int(count[1]) if count else 1))

    visit("ENTRY", 1)
    return flops, dict(received)


def _groups(pattern: str, text: str) -> tuple[str, ...]:
    found = re.match(pattern, text)
    assert found is not None, f"HLO of an unknown form: {text[:200]}"
    return found.groups()


def _dims(shape: str) -> list[int]:
    return [int(d) for d in _groups(r"\w+\[([\d,]*)\]", shape)[0].split(",") if d]


def _bytes(shape: str) -> int:
    parts = re.findall(r"(\w+)\[([\d,]*)\]", shape)
    return sum(BYTES[dtype] * math.prod(int(d) for d in dims.split(",") if d) for dtype, dims in parts)


def in_own_process(config: Config, devices: int) -> dict[str, Any]:
    """The result for so many devices, from a process that has them."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    given = json.dumps(asdict(config) | {"devices": [devices], "out": None})
    done = subprocess.run(
        [sys.executable, __file__, "--worker", given],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RunError(f"compiling for {devices} devices ended with code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main(config: Config) -> None:
    check_options(config)
    rows = []
    for devices in config.devices:
        rows.append(row := in_own_process(config, devices))
        received = ", ".join(
            f"{kind} {size / 2**20:.0f} MiB" for kind, size in sorted(row["bytes_received"].items())
        )
        print(
            f"{devices} devices {row['mesh']}, {row['parameters'] / 1e6:.0f} M parameters; per device and step: "
            f"{row['flops_products'] / 1e9:.0f} GFLOP, {row['bytes_arguments'] / 2**30:.2f} GiB of state and batch, "
            f"{row['bytes_temporary'] / 2**30:.2f} GiB temporary; received: {received or 'nothing'} "
            f"(compiled in {row['compile_seconds']:.0f} s)",
            flush=True,
        )
    if config.out:
        config.out.write_text(
            json.dumps({"config": asdict(config) | {"out": None}, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        given = Config(**json.loads(sys.argv[2]))
        print(json.dumps(compiled_step(given, given.devices[0])))
    else:
        with exit_on_fault():
            main(tyro.cli(Config))
