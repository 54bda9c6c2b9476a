"""Times: laws to draw them from in training, and grids to sample along."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_key, check_values
from genjax.diffusion.continuous import open_uniform
from genjax.diffusion.schedules import DiscreteSchedule

__all__ = ["log_snr_times", "logit_normal_time", "low_discrepancy_times"]

HALVINGS = 60
"""Of an interval of times, down to neighbours in float64."""


def logit_normal_time(key: PRNGKeyArray, *, mean: float = 0.0, std: float = 1.0) -> Float[Array, ""]:
    """Draw a time in (0, 1) that favours the middle.

    t = sigmoid(mean + std z)

    Args:
        key: one key.
        mean: of the logit.
        std: of the logit, positive.

    Returns:
        t.

    Raises:
        TypeError: the key is not typed.
        ValueError: `std` is not positive.

    Source: Esser et al. (2024), equation 19.

    >>> 0 < logit_normal_time(jax.random.key(0)) < 1
    Array(True, dtype=bool)
    """
    check_key(key)
    if not std > 0:
        raise ValueError(f"std must be positive; got {std}")
    return jax.nn.sigmoid(mean + std * jax.random.normal(key))


def low_discrepancy_times(key: PRNGKeyArray, n: int) -> Float[Array, " n"]:
    """Draw n times in (0, 1) of which each stretch of length 1/n holds one: drawn jointly, and passed as data.

    t_i = (u + i)/n, one uniform u for all

    Args:
        key: one key.
        n: how many.

    Returns:
        Times `[n]`, each uniform for itself.

    Raises:
        TypeError: the key is not typed, or the count is no integer.
        ValueError: the count is below 1.

    Source: Kingma et al. (2021), appendix I.1.

    >>> times = low_discrepancy_times(jax.random.key(0), 4)
    >>> print((times * 4).astype(int))
    [0 1 2 3]
    """
    check_key(key)
    check_count(n=n)
    u = open_uniform(key)
    return (u + jnp.arange(int(n), dtype=u.dtype)) / int(n)


def log_snr_times(
    schedule: Any, num_steps: int, *, first: float | None = None, last: float | None = None
) -> Array:
    """Times at which the log signal-to-noise ratio is evenly spaced: the grid of exponential integrators.

    λ(t_i) = λ(first) + i/(n − 1) (λ(last) − λ(first)), λ = log SNR

    Args:
        schedule: gives log SNR, which falls with t.
        num_steps: n; each time is one step of a sampler.
        first: the largest time; that of `schedule.times(n)` by default.
        last: the least time; that of `schedule.times(n)` by default.

    Returns:
        Decreasing times `[n]`, both ends included; the first alone where n is 1. On a discrete schedule the nearest
        integers.

    Raises:
        TypeError: the count is no integer, or a time is of the wrong kind.
        ValueError: the count is below 1, log SNR is infinite at an end, or two steps of a discrete schedule fall
            together.

    Source: Lu et al. (2022), section 3.4.

    >>> from genjax.diffusion import variance_preserving
    >>> schedule = variance_preserving()
    >>> print(jax.vmap(schedule.log_snr)(log_snr_times(schedule, 3, last=0.01)).round(2))
    [-10.05  -1.92   6.22]
    """
    check_count(num_steps=num_steps)
    own = schedule.times(int(num_steps))
    last = first if num_steps == 1 else last
    ends = jnp.stack(
        [jnp.asarray(own[i] if end is None else end, own.dtype) for i, end in ((0, first), (-1, last))]
    )
    log_snr = jax.vmap(schedule.log_snr)
    at_ends = log_snr(ends)
    check_values("log SNR at the ends", at_ends, jnp.isfinite(at_ends), "be finite; set first or last")
    lowest, highest = at_ends
    share = jnp.arange(int(num_steps), dtype=lowest.dtype) / max(int(num_steps) - 1, 1)
    wanted = lowest + share * (highest - lowest)
    if isinstance(schedule, DiscreteSchedule):
        all_times = np.arange(int(ends[1]), int(ends[0]) + 1)
        distance = np.abs(np.asarray(log_snr(jnp.asarray(all_times)))[:, None] - np.asarray(wanted)[None])
        times = all_times[distance.argmin(axis=0)]
        if (np.diff(times) >= 0).any():
            raise ValueError(
                f"{num_steps} steps evenly spaced in log SNR fall together on whole times: {times}"
            )
        return jnp.asarray(times, own.dtype)

    def halve(_: Any, interval: tuple[Array, Array]) -> tuple[Array, Array]:
        early, late = interval
        middle = (early + late) / 2
        clean = log_snr(middle) > wanted  # cleaner than wanted: the time is later
        return jnp.where(clean, middle, early), jnp.where(clean, late, middle)

    start = jnp.broadcast_to(ends[1], wanted.shape), jnp.broadcast_to(ends[0], wanted.shape)
    early, late = jax.lax.fori_loop(0, HALVINGS, halve, start)
    inside = (early + late) / 2
    return jnp.where(share == 0, ends[0], jnp.where(share == 1, ends[1], inside))
