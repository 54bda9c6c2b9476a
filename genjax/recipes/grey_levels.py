"""The variational bound of images under any network that is told a time, along a chain of its own schedule."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genjax.recipes.denoiser import Denoiser

__all__ = ["chain_of", "levels_bound"]

NUM_STEPS = 200
"""Steps of the chain, before those that fall on one time are joined."""


def chain_of(schedule: Any, num_levels: int) -> tuple[Any, Any]:
    """A chain through some times of a schedule, evenly spaced in log SNR, and these times.

    It begins where the noise is as large as the distance of two grey levels (½ where that is more): a decoder goes on
    from there.

    Args:
        schedule: of any kind.
        num_levels: of grey.

    Returns:
        The discrete schedule with the log SNR of these times, and the time of each of its steps.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import diffusion

    discrete = isinstance(schedule, diffusion.DiscreteSchedule)
    times = np.arange(1, schedule.num_steps + 1) if discrete else np.linspace(0, 1, 1001)[1:-1]
    log_snr = np.asarray(jax.vmap(schedule.log_snr)(jnp.asarray(times)), float)
    noisy = log_snr <= -2 * math.log(min(2 / (num_levels - 1), 0.5))
    times, log_snr = times[noisy], log_snr[noisy]
    wanted = np.linspace(log_snr[0], log_snr[-1], NUM_STEPS)
    chosen = np.unique(np.abs(log_snr[:, None] - wanted).argmin(axis=0))
    log_bars = -np.logaddexp(0, -log_snr[chosen])  # log alpha² of the chain, where alpha² + sigma² = 1
    chain = diffusion.schedule_from_betas(-np.expm1(np.diff(log_bars, prepend=0.0)))
    return chain, jnp.asarray(times[chosen])


def levels_bound(
    made: "Denoiser", network: Callable, schedule: Any, prediction: Any, num_levels: int
) -> Callable:
    """A lower bound on the log-probability of an image's grey levels.

    log p(x) ≥ log p(y) + log p(x|y) ≥ −log(number of classes) − the variational bound

    Args:
        made: the denoiser.
        network: `network(params, label) -> fn(x, t)`.
        schedule: along which it was trained.
        prediction: what `fn` predicts.
        num_levels: of grey.

    Returns:
        `bound(params, key, stored)`, nats; an unbiased estimate, by one draw of noise per step.
    """
    import jax.numpy as jnp

    from genjax import diffusion
    from genjax.densities import discretized_normal_log_prob

    chain, times = chain_of(schedule, num_levels)

    def bound(params: Any, key: Any, stored: Any) -> Any:
        example, label = stored if made.num_classes else (stored, None)
        fn = network(params, label)

        def predict(y: Any, k: Any) -> Any:
            t = times[k - 1]
            x_t = y * jnp.sqrt(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2)
            value = fn(x_t, t)
            return diffusion.convert(
                schedule, value, x_t, t, source=prediction, target=diffusion.Prediction.DATA
            )

        terms = diffusion.variational_bound(
            key,
            predict,
            chain,
            made.view.observe(key, example),
            prediction=diffusion.Prediction.DATA,
            reverse_variance=diffusion.posterior_variance,  # levels are known at the last steps
            log_likelihood=partial(discretized_normal_log_prob, num_levels=num_levels),
        )
        return -terms.total - math.log(made.num_classes or 1)

    return bound
