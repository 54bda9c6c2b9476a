"""What goes wrong before a sample is drawn: schedules that are none, and training that differs from sampling."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from genjax.diffusion.prediction import Prediction
from genjax.diffusion.schedules import DiscreteSchedule

__all__ = ["ScheduleReport", "check_schedule", "preflight"]


class ScheduleReport(NamedTuple):
    """What `check_schedule` measured.

    Args:
        identity_error: the largest |log SNR − log(alpha²/sigma²)| over the times tried, where float32 tells.
        terminal_snr: the signal-to-noise ratio where sampling starts.
        first_sigma: the noise at the last time of a run of 10 steps.

    >>> ScheduleReport(0.0, 4e-5, 0.1).terminal_snr
    4e-05
    """

    identity_error: float
    terminal_snr: float
    first_sigma: float


def check_schedule(schedule: Any, *, num_times: int = 50) -> ScheduleReport:
    """Test that a schedule is one: finite scales, a falling log SNR that agrees with them, times that decrease.

    log SNR = 2 log(alpha/sigma), strictly decreasing in t; a slope of log SNR below 0 where the schedule is
    continuous

    For schedules of your own. Not for use under `jit`.

    Args:
        schedule: with alpha, sigma, log_snr, times and sample_time.
        num_times: how many times to try.

    Returns:
        `ScheduleReport`.

    Raises:
        ValueError: what fails, and at which time.

    Source: Kingma et al. (2021), section 3.1.

    >>> from genjax.diffusion import linear_schedule
    >>> print(f"{check_schedule(linear_schedule()).terminal_snr:.3e}")
    4.036e-05
    """
    times = schedule.times(min(num_times, getattr(schedule, "num_steps", num_times)))
    alpha, sigma, log_snr = (
        np.asarray(jax.vmap(fn)(times), float) for fn in (schedule.alpha, schedule.sigma, schedule.log_snr)
    )
    _demand(np.diff(np.asarray(times, float)) < 0, times[1:], "times decrease strictly", times[1:])
    _demand(np.isfinite(alpha) & np.isfinite(sigma), times, "alpha and sigma are finite", alpha)
    _demand((alpha >= 0) & (sigma > 0), times, "alpha is at least 0 and sigma above 0", sigma)
    _demand(np.diff(log_snr) > 0, times[1:], "log SNR falls with t", log_snr[1:])
    with np.errstate(divide="ignore"):
        expected = 2 * (np.log(alpha) - np.log(sigma))
    told = np.isfinite(expected)
    error = np.abs(log_snr[told] - expected[told])
    _demand(
        error <= 1e-3 * (1 + np.abs(expected[told])),
        times[told],
        "log SNR is log(alpha²/sigma²)",
        log_snr[told],
    )
    if not isinstance(schedule, DiscreteSchedule) and jnp.issubdtype(jnp.result_type(times), jnp.floating):
        inner = times[1:]
        slope = np.asarray(jax.vmap(jax.grad(schedule.log_snr))(inner))
        _demand(slope < 0, inner, "the slope of log SNR is below 0", slope)
    key = jax.random.key(0)
    drawn = jax.vmap(schedule.sample_time)(jax.random.split(key, 1000))
    at = np.asarray(jax.vmap(schedule.sigma)(drawn), float)
    _demand(np.isfinite(at) & (at > 0), drawn, "drawn times have noise", at)
    return ScheduleReport(float(error.max()), float(np.exp(log_snr[0])), float(sigma[-1]))


def preflight(
    trained_schedule: Any,
    trained_prediction: Prediction,
    *,
    schedule: Any,
    prediction: Prediction,
    times: Array,
) -> list[str]:
    """What is wrong between how a network was trained and how it is about to be sampled.

    Compares log SNR, the prediction and the times; says nothing where nothing is wrong. Not for use under `jit`.

    Args:
        trained_schedule: of the training.
        trained_prediction: what the network was trained to predict.
        schedule: of the sampling.
        prediction: what the sampler takes it for.
        times: at which the network is to be called, decreasing.

    Returns:
        Sentences, one for each fault.

    Raises:
        TypeError: the times are of the wrong kind for a schedule.

    Source: Lin et al. (2024), section 3.

    >>> from genjax.diffusion import linear_schedule
    >>> s = linear_schedule()
    >>> preflight(s, Prediction.NOISE, schedule=s, prediction=Prediction.V, times=s.times(10))
    ['the network was trained to predict NOISE and is sampled as V']
    """
    faults = []
    if trained_prediction is not prediction:
        faults.append(
            f"the network was trained to predict {trained_prediction.name} and is sampled as {prediction.name}"
        )
    if isinstance(trained_schedule, DiscreteSchedule) != isinstance(schedule, DiscreteSchedule):
        return [
            *faults,
            "one schedule is discrete and the other continuous: the network's times mean other levels",
        ]
    at = np.asarray(times)
    if not (np.diff(at) < 0).all():
        faults.append("times do not decrease strictly")
    first = trained_schedule.times(1)[0]
    if at[0] != np.asarray(first):
        faults.append(f"the first time is {at[0]}, where noise is left out: training ends at {first}")
    trained, sampled = (
        np.asarray(jax.vmap(s.log_snr)(jnp.asarray(at)), float) for s in (trained_schedule, schedule)
    )
    both = np.isfinite(trained) & np.isfinite(sampled)
    gap = np.zeros(len(at))
    gap[both] = np.abs(trained[both] - sampled[both])
    gap = np.where(np.isfinite(trained) == np.isfinite(sampled), gap, np.inf)
    if gap.max() > 1e-3:
        worst = int(gap.argmax())
        faults.append(
            f"at time {at[worst]} the network was trained at log SNR {trained[worst]:.4g} and is sampled at "
            f"{sampled[worst]:.4g}"
        )
    terminal = float(jnp.exp(schedule.log_snr(first))) if at[0] == np.asarray(first) else 0.0
    if terminal > 1e-2:
        faults.append(
            f"the signal-to-noise ratio at the start is {terminal:.3g}, and samples start from noise alone"
        )
    if np.asarray(schedule.alpha(jnp.asarray(at[0]))) == 0 and prediction in (
        Prediction.NOISE,
        Prediction.SCORE,
    ):
        faults.append(f"{prediction.name} says nothing where alpha = 0; use DATA, V or VELOCITY")
    return faults


def _demand(holds: Any, times: Any, expected: str, values: Any) -> None:
    holds = np.asarray(holds)
    if not holds.all():
        place = int(np.argmin(holds))
        time, value = np.asarray(times)[place], np.asarray(values)[place]
        raise ValueError(f"not so that {expected}: at time {time} got {value}")
