"""Measure what a partition function costs as dimensions grow: a grid, whose points are n^d, beside annealed chains.

    python experiments/benchmarks/partition_function.py                 # a minute on 2 cores
    python experiments/benchmarks/partition_function.py --dims 1 2 8    # fewer

The energy is that of two Gaussians on either side of the origin, whose log Z is known. A grid is refused above three
dimensions; an image of 512×512×3 has 786,432. Writes partition_function.png and partition_function.json.
"""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Config:
    """Compare quadrature with annealed importance sampling as dimensions grow."""

    dims: tuple[int, ...] = (1, 2, 3, 8, 32, 128, 512)
    """Dimensions to try."""
    points: int = 96
    """Points of the grid in each dimension."""
    chains: int = 200
    """Chains of the annealed runs."""
    temperatures: int = 500
    """Temperatures of the annealed runs."""
    out: Path = Path("runs/partition-function")
    """Folder for the picture and the numbers."""


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import matplotlib.pyplot as plt
    import numpy as np

    from genjax import energy
    from genjax.densities import standard_normal_log_prob

    def energy_fn(x):
        """Two Gaussians of unit variance a distance 2 from the origin on either side, times 5: log Z = log 5."""
        shift = jnp.full_like(x, 2 / x.size**0.5)
        sides = jnp.stack([standard_normal_log_prob(x - shift), standard_normal_log_prob(x + shift)])
        return -jax.nn.logsumexp(sides) + np.log(2) - np.log(5)

    base = lambda x: -standard_normal_log_prob(x / 2) + x.size * np.log(2)
    path = energy.geometric_path(base, energy_fn)

    def move(key, x, beta):
        step_size = 0.5 / x.size ** (1 / 3)  # keeps the acceptance of Langevin proposals as dimensions grow
        langevin = partial(energy.metropolis_langevin, step_size=step_size, num_steps=2)
        return langevin(key, lambda x: path(x, beta), x).x

    def anneal(key, d):
        key_base, key_side, key_model, key_run = jax.random.split(key, 4)
        starts = 2 * jax.random.normal(key_base, (config.chains, d))
        side = jax.random.rademacher(key_side, (config.chains, 1), dtype=float) * 2 / d**0.5
        exact = side + jax.random.normal(key_model, (config.chains, d))
        betas = jnp.linspace(0.0, 1.0, config.temperatures)
        return energy.annealed_bracket(key_run, path, move, starts, exact, betas, base_log_z=0.0)

    def measured(fn, *args):
        """The value, and the seconds of a second call."""
        compiled = jax.jit(fn)
        jax.block_until_ready(compiled(*args))
        started = time.perf_counter()
        value = jax.block_until_ready(compiled(*args))
        return value, time.perf_counter() - started

    exact = float(np.log(5))
    results = {"log_z": exact, "points": config.points, "grid": [], "annealing": []}
    print(f"log Z = {exact:.4f}\n{'dims':>5}  {'grid':30}  annealed chains")
    for d in config.dims:
        grid = f"{config.points}^{d} = 10^{d * np.log10(config.points):.0f} energies: refused"
        if d <= 3:
            side = jnp.full(d, 8.0)
            (log_z, error), seconds = measured(
                lambda side: energy.log_partition_quadrature(
                    energy_fn, -side, side, num_points=config.points
                ),
                side,
            )
            results["grid"].append(
                {"dims": d, "log_z": float(log_z), "error": float(error), "seconds": seconds}
            )
            grid = f"{log_z:.4f} in {seconds:.4f} s"
        ends, seconds = measured(lambda key, d=d: anneal(key, d), jax.random.key(d))
        (lower, lower_error), (upper, upper_error) = (map(float, end) for end in ends)
        row = {"lower": lower, "lower_error": lower_error, "upper": upper, "upper_error": upper_error}
        results["annealing"].append({"dims": d, "seconds": seconds, **row})
        chains = f"{lower:.3f} ± {lower_error:.3f} … {upper:.3f} ± {upper_error:.3f}"
        print(f"{d:5d}  {grid:30}  {chains} in {seconds:.2f} s", flush=True)

    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "partition_function.json").write_text(json.dumps(results, indent=2) + "\n")
    figure, axis = plt.subplots(figsize=(6, 3.6))
    grids, chains = results["grid"], results["annealing"]
    if grids:
        dims = np.arange(1, 13)
        per_energy = grids[-1]["seconds"] / config.points ** grids[-1]["dims"]
        label = f"grid of {config.points} points per dimension, at the measured rate"
        axis.plot(dims, per_energy * float(config.points) ** dims, "C0--", linewidth=1, label=label)
        axis.plot([g["dims"] for g in grids], [g["seconds"] for g in grids], "C0o", label="grid, measured")
    axis.plot(
        [c["dims"] for c in chains], [c["seconds"] for c in chains], "C1o-", label="annealed chains, measured"
    )
    axis.axhline(3.15e7, color="0.6", linewidth=1)
    axis.annotate("a year", (1, 3.15e7), va="bottom", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="dimensions", ylabel="seconds")
    axis.set_title("What a partition function costs", fontsize=10)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(config.out / "partition_function.png", dpi=110)
    print(f"written: {config.out / 'partition_function.png'}")


if __name__ == "__main__":
    main(tyro.cli(Config))
