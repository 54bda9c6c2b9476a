"""Measure the order of convergence of every deterministic sampler, and of Euler–Maruyama, where the score is exact.

    python experiments/tables/sampler_orders.py          # half a CPU minute

The data are a mixture of two Gaussians on a line, whose noise prediction is known at every level; the grid is even in
log SNR, in float64. For deterministic rules the error is that of the state at the last level against a solution of
6,400 steps. Euler–Maruyama follows Brownian paths: a step's draw is the sum of the finest solution's draws within it,
and its error is the strong one, the root of the mean over paths of the squared distance.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from genjax.faults import exit_on_fault

STEPS = (100, 200, 400, 800)
FINE = 6400
PATHS = 400


@dataclass(frozen=True)
class Config:
    """Print errors at 100 to 800 steps and the slope of their logarithms."""

    out: Path | None = None
    """JSON file for the results."""


def main(config: Config) -> None:
    import jax
    import numpy as np

    from genjax import diffusion
    from genjax.oracles import check_sampler

    jax.config.update("jax_enable_x64", True)
    rules = {
        "DDIM": (diffusion.ddim(), 1),
        "Euler": (diffusion.euler(), 1),
        "Heun": (diffusion.heun(), 2),
        "DPM-Solver++ 2M": (diffusion.dpm_solver_pp_2m(), 2),
    }
    print(f"{'rule':18}" + "".join(f"{n:>11}" for n in STEPS) + f"{'slope':>8}{'theory':>8}")
    results = {}
    for name, (rule, order) in rules.items():
        report = check_sampler(rule, order=order)
        results[name] = {"errors": list(report.errors), "slope": report.slope, "order": order}
        show(name, report.errors, report.slope, order)
    errors = strong_errors()
    slope = float(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0])
    results["Euler–Maruyama"] = {"errors": errors, "slope": slope, "order": 1}
    show("Euler–Maruyama", errors, slope, 1)
    if config.out:
        config.out.write_text(
            json.dumps({"steps": STEPS, "rules": results}, indent=2) + "\n", encoding="utf-8"
        )


def show(name, errors, slope, order):
    """One line of the table."""
    print(f"{name:18}" + "".join(f"{error:11.2e}" for error in errors) + f"{slope:8.2f}{order:8}", flush=True)


def strong_errors():
    """The strong errors of Euler–Maruyama, whose noise is additive in y = x/alpha and τ = (sigma/alpha)².

    The components overlap: between separated ones a few paths change sides, and are the whole error.
    """
    import jax
    import jax.numpy as jnp

    from genjax.diffusion import Prediction, euler_maruyama, log_snr_linear
    from genjax.diffusion.prediction import estimates
    from genjax.diffusion.process import level
    from genjax.oracles import GaussianMixture

    mixture = GaussianMixture(
        jnp.array([0.3, 0.7]), jnp.array([[-0.4], [0.6]]), jnp.array([[[0.25]], [[0.1]]])
    )
    schedule, rule = log_snr_linear(6.0, -6.0), euler_maruyama()
    known = estimates(mixture.predict(schedule, Prediction.DATA), schedule, Prediction.DATA)
    grid = lambda n: 1 - 0.9 * jnp.arange(n + 1) / n
    tau = lambda t: jnp.exp(-jax.vmap(schedule.log_snr)(t))
    growth = tau(grid(FINE))[:-1] - tau(grid(FINE))[1:]
    draws = jax.random.normal(jax.random.key(0), (PATHS, FINE)) * jnp.sqrt(growth)  # of Brownian motion in τ
    start = jax.random.normal(jax.random.key(1), (PATHS, 1)) * schedule.sigma(jnp.ones(()))

    def run(n):
        levels = jax.vmap(lambda t: level(schedule, t))(grid(n))
        now, following = (jax.tree.map(lambda a, s=s: a[s], levels) for s in (slice(0, -1), slice(1, None)))
        scales = jnp.sqrt(tau(grid(n))[:-1] - tau(grid(n))[1:])

        def path(x, draws):
            noise = draws.reshape(n, -1).sum(1) / scales
            step = lambda x, at: (
                rule.step((), at[0][None, None], lambda x, at: known(x, at.t), x, *at[1:])[0],
                None,
            )
            return jax.lax.scan(step, x, (noise, now, following))[0]

        return jax.jit(jax.vmap(path))(start, draws)

    fine = run(FINE)
    return [float(jnp.sqrt(jnp.mean((run(n) - fine) ** 2))) for n in STEPS]


if __name__ == "__main__":
    with exit_on_fault():
        main(tyro.cli(Config))
