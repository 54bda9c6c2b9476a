"""Measure what plain and annealed Langevin dynamics make of two modes that are far apart, where the score is exact.

    python experiments/tables/separated_modes.py          # about a CPU minute

.8 N((5, 5), I) + .2 N((−5, −5), I), after figures 2 and 3 of Song and Ermon (2019): 1,280 chains from U[−8, 8]².
Plain chains keep the shares of the modes from which they start; annealed ones find the weights at high noise levels.
The paper's text and its code disagree on the noise levels; both are run. Our step size is half the paper's.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from genjax.faults import exit_on_fault

CHAINS = 1280


@dataclass(frozen=True)
class Config:
    """Print the mass on the larger mode, .8 in truth, with its standard error."""

    out: Path | None = None
    """JSON file for the results."""


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax.oracles import GaussianMixture
    from genjax.score import annealed_langevin, langevin

    means = jnp.array([[5.0, 5.0], [-5.0, -5.0]])
    modes = GaussianMixture(jnp.array([0.8, 0.2]), means, jnp.stack([jnp.eye(2)] * 2))
    key_start, key_chains = jax.random.split(jax.random.key(0))
    start = jax.random.uniform(key_start, (CHAINS, 2), minval=-8, maxval=8)
    keys = jax.random.split(key_chains, CHAINS)
    results = {}

    def report(name, chain):
        ends = jax.jit(jax.vmap(chain))(keys, start)
        share = float((ends.sum(1) > 0).mean())
        error = (share * (1 - share) / CHAINS) ** 0.5
        results[name] = {"mass": share, "standard_error": error}
        print(f"{name:46}{share:.3f} ± {error:.3f}", flush=True)

    print(f"{'chains':46}mass on the larger mode")
    report("none: where chains start", lambda key, x: x)
    report(
        "plain, 1,000 steps of .05",
        lambda key, x: langevin(key, modes.score, x, step_size=0.05, num_steps=1000),
    )
    for first, last, levels, steps in (
        (20.0, 1.0, 10, 100),
        (20.0, 1.0, 20, 200),
        (10.0, 0.1, 10, 100),
    ):
        # The paper's code takes σ = 1 for the data themselves: noise of variance σ² − 1.
        clean = 1.0 if last == 1.0 else 0.0
        step = 0.05 * last**2

        def score(x, sigma, clean=clean):
            noised = modes.covs + (sigma**2 - clean) * jnp.eye(2)[None]
            return GaussianMixture(modes.weights, means, noised).score(x)

        sigmas = jnp.geomspace(first, last, levels)
        options = {"step_size": step, "num_steps": steps}
        chain = lambda key, x, s=score, g=sigmas, o=options: annealed_langevin(key, s, x, g, **o)
        report(f"annealed, σ {first:g} → {last:g}, {levels} levels of {steps} steps", chain)
    if config.out:
        config.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with exit_on_fault():
        main(tyro.cli(Config))
