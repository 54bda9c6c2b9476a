"""Time 1,000 ancestral steps: genjax beside the loop of diffusers, with one network and one schedule, on 2 CPU cores.

    python -m experiments.benchmarks.diffusers_sampling                   # two minutes
    python -m experiments.benchmarks.diffusers_sampling --rounds 1 --steps 50     # a tiny run

Both sides draw a batch of samples by the DDPM rule of 1,000 steps with the linear schedule and the same perceptron of
three hidden layers (SiLU), which is told the time as one number: 2 dimensions, 64 wide, 512 samples, and 64
dimensions, 256 wide, 256 samples, where arithmetic dominates. The weights are copied, so that both sides do the same
arithmetic. genjax is one compiled scan. Samples are independent, so their keys are laid over two devices, one per
core (`XLA_FLAGS=--xla_force_host_platform_device_count=2`, which this script sets), and nothing else changes; on one
device, which is measured too, both cores wait for each other at every product. diffusers is its own scheduler called
in a loop, as its pipelines call it, without gradients. diffusers and PyTorch are no dependencies of genjax:
`pip install diffusers torch`.
"""

import itertools
import json
import os
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path

import tyro

from experiments.benchmarks.turns import Side, header, measure, summarise

CASES = {"small": (2, 64, 512), "wide": (64, 256, 256)}


@dataclass(frozen=True)
class Config:
    """Compare sampling steps per second of genjax and of diffusers."""

    rounds: int = 5
    """Turns each side takes, after one to warm up."""
    steps: int = 1000
    """Sampling steps per turn, at most 1,000."""
    out: Path | None = None
    """JSON file for the results."""


def weights(num_dims, width):
    """Matrices and biases of the perceptron, in NumPy."""
    import numpy as np

    rng, sizes = np.random.default_rng(0), [num_dims + 1, width, width, width, num_dims]
    draw = lambda i, o: (rng.normal(size=(i, o)) / i**0.5).astype(np.float32)
    return [(draw(i, o), np.zeros(o, np.float32)) for i, o in itertools.pairwise(sizes)]


def genjax_side(num_dims, width, batch_size, num_devices) -> Side:
    """One compiled scan over the steps, for the whole batch."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    from genjax import diffusion

    schedule = diffusion.linear_schedule()
    layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights(num_dims, width)]

    def predict(x, t):
        h = jnp.append(x, t / 1000)
        for w, b in layers[:-1]:
            h = jax.nn.silu(h @ w + b)
        return h @ layers[-1][0] + layers[-1][1]

    @partial(jax.jit, static_argnums=1)
    def draw(keys, num_steps):
        def one(key):
            key_start, key_steps = jax.random.split(key)
            x_T = diffusion.prior_sample(key_start, schedule, (num_dims,))
            options = {"num_steps": num_steps, "sampler": diffusion.ancestral()}
            return diffusion.sample(key_steps, predict, schedule, x_T, **options)

        return jax.vmap(one)(keys)

    auto, devices = (AxisType.Auto,), jax.devices()[:num_devices]
    mesh = jax.make_mesh((num_devices,), ("data",), axis_types=auto, devices=devices)
    keys = jax.random.split(jax.random.key(1), batch_size)
    keys = jax.device_put(keys, NamedSharding(mesh, PartitionSpec("data")))
    return lambda num_steps: draw(keys, num_steps).block_until_ready()


def diffusers_side(num_dims, width, batch_size) -> Side:
    """The scheduler's own loop."""
    import torch  # pyright: ignore[reportMissingImports]
    from diffusers.schedulers.scheduling_ddpm import (  # pyright: ignore[reportMissingImports]
        DDPMScheduler,
    )

    torch.set_num_threads(2)
    layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in weights(num_dims, width)]

    def predict(x, t):
        h = torch.cat([x, torch.full((len(x), 1), float(t) / 1000)], dim=1)
        for w, b in layers[:-1]:
            h = torch.nn.functional.silu(torch.addmm(b, h, w))
        return torch.addmm(layers[-1][1], h, layers[-1][0])

    @torch.no_grad()
    def side(num_steps: int) -> object:
        scheduler = DDPMScheduler(clip_sample=False)
        scheduler.set_timesteps(num_steps)
        x = torch.randn(batch_size, num_dims)
        for t in scheduler.timesteps:
            x = scheduler.step(predict(x, t), int(t), x, return_dict=False)[0]
        return x

    return side


def main(config: Config) -> None:
    if config.rounds < 1 or not 1 <= config.steps <= 1000:
        raise SystemExit("diffusers_sampling: --rounds must be at least 1, --steps 1 to 1000")
    for package in ("diffusers", "torch"):
        if util.find_spec(package) is None:
            raise SystemExit(
                f"diffusers_sampling: {package} is missing; install it with `pip install {package}`"
            )
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    results = header("jax", "diffusers", "torch")
    for name, sizes in CASES.items():
        sides = {
            "genjax": genjax_side(*sizes, 2),
            "genjax, one device": genjax_side(*sizes, 1),
            "diffusers": diffusers_side(*sizes),
        }
        rates = measure(sides, config.steps, config.rounds)
        summary = summarise(rates)
        results[name] = {"sides": summary, "rates": rates}
        milliseconds = {
            side: 1000 * config.steps / values["steps_per_second"] for side, values in summary.items()
        }
        print(
            f"{name} ({sizes[0]} dimensions, {sizes[1]} wide, {sizes[2]} samples): {config.steps} steps take "
            f"{milliseconds['genjax']:.0f} ms"
        )
        for side in list(summary)[1:]:
            row = summary[side]
            print(
                f"  {side}: {milliseconds[side]:.0f} ms, {row['ratio']:.2f} times as long "
                f"({row['ratio_min']:.2f}–{row['ratio_max']:.2f})",
                flush=True,
            )
    if config.out:
        config.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Config))
