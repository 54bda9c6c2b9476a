"""A self-check of a sampler against the flow of a mixture whose score is exact."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.diffusion import Prediction, Sampler, log_snr_linear, sample
from genjax.oracles.gaussian_mixture import GaussianMixture

__all__ = ["SamplerReport", "check_sampler"]

STEPS = (100, 200, 400, 800)


class SamplerReport(NamedTuple):
    """What `check_sampler` measured.

    Args:
        slope: the order of convergence, of a deterministic sampler; None where it draws noise.
        errors: root-mean-square error of the state at 100, 200, 400 and 800 steps; empty where it draws noise.
        spread: standard deviation of samples over the exact one.

    >>> SamplerReport(1.0, (0.1, 0.05), 1.0).slope
    1.0
    """

    slope: float | None
    errors: tuple[float, ...]
    spread: float


def check_sampler(
    sampler: Sampler, *, order: int | None = None, tolerance: float | None = None
) -> SamplerReport:
    """Test that a sampler converges as it claims, and that with the exact score its samples spread as the data do.

    error(n) ~ n^(−order) of the state at a level before the clean one, on a grid even in log SNR, against a fine
    solve

    For rules of your own, on a mixture of two Gaussians on the line; run it in float64 (`jax.enable_x64`), where the
    slope is not that of round-off. Not for use under `jit`.

    Args:
        sampler: a rule with `init`, `step`, `draws` and `num_calls`.
        order: what it claims, of a deterministic one; None leaves the slope unjudged.
        tolerance: on the slope; 0.15 for order 1 and 0.2 above by default.

    Returns:
        `SamplerReport`.

    Raises:
        ValueError: the slope or the spread is off; both numbers are named. Or an order is claimed of a rule with
            noise.

    Source: Karras et al. (2022), section 3; Lu et al. (2022), theorem 3.1.

    >>> from genjax.diffusion import ddim
    >>> with jax.enable_x64(True):
    ...     report = check_sampler(ddim(), order=1)
    >>> print(f"{report.slope:.0f}")
    1
    """
    mixture = GaussianMixture(
        jnp.array([0.3, 0.7]), jnp.array([[-1.0], [1.5]]), jnp.array([[[0.25]], [[0.09]]])
    )
    schedule = log_snr_linear(8.0, -9.0)
    data = mixture.predict(schedule, Prediction.DATA)
    noise = jax.random.normal(jax.random.key(0), (64, 1), mixture.means.dtype)
    start = noise * schedule.sigma(jnp.ones((), noise.dtype))

    def run(num_steps: int, x: jax.Array, to_clean: bool = False) -> jax.Array:
        times = 1 - jnp.arange(num_steps + 1, dtype=x.dtype) * (0.95 / num_steps)

        def one(key: jax.Array, x: jax.Array) -> jax.Array:
            options = {"times": times, "sampler": sampler, "prediction": Prediction.DATA}
            path = sample(key, data, schedule, x, return_trajectory=True, **options)
            return path[-1] if to_clean else path[-2]

        return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), len(x)), x)

    slope, errors = None, ()
    if sampler.draws == 0:
        fine = run(8 * STEPS[-1], start)
        errors = tuple(float(jnp.sqrt(jnp.mean((run(n, start) - fine) ** 2))) for n in STEPS)
        slope = float(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0])
        allowed = tolerance or (0.15 if order == 1 else 0.2)
        if order is not None and abs(slope - order) > allowed:
            raise ValueError(
                f"the order of convergence is {slope:.2f}, {order} ± {allowed} was claimed; errors at {STEPS} steps: "
                f"{', '.join(f'{error:.2e}' for error in errors)}"
            )
    elif order is not None:
        raise ValueError("the order of a rule that draws noise is not of its paths: pass order=None")
    many = jax.random.normal(jax.random.key(2), (4000, 1), noise.dtype)
    samples = run(200, many * schedule.sigma(jnp.ones((), noise.dtype)), to_clean=True)
    mean = float(mixture.weights @ mixture.means[:, 0])
    second = float(mixture.weights @ (mixture.covs[:, 0, 0] + mixture.means[:, 0] ** 2))
    spread = float(jnp.std(samples)) / (second - mean**2) ** 0.5
    if not abs(spread - 1) < 0.05:  # four standard errors of 4,000 samples, and the error of 200 steps
        raise ValueError(f"samples have {spread:.3f} times the standard deviation of the data")
    return SamplerReport(slope, errors, spread)
