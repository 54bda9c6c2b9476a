"""Grids of times that are even in log SNR."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D

from .models import SCHEDULES


@pytest.mark.parametrize(
    ("name", "first", "tolerance"),
    [
        ("vp", None, 1e-3),
        ("log snr", None, 1e-3),
        ("edm", None, 1e-3),
        ("rectified", 0.99, 1e-3),
        ("linear", None, 0.03),
    ],
)
def test_log_snr_is_evenly_spaced_between_the_schedule_s_own_ends(name, first, tolerance):
    schedule = SCHEDULES[name]
    times, own = D.log_snr_times(schedule, 12, first=first), schedule.times(12)
    np.testing.assert_allclose([times[0], times[-1]], [own[0] if first is None else first, own[-1]])
    gaps = np.diff(jax.vmap(schedule.log_snr)(times))
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=tolerance)
    assert times.dtype == own.dtype
    assert len(D.log_snr_times(schedule, 1, first=first)) == 1


def test_in_float64_the_grid_is_exact(x64):
    times = D.log_snr_times(D.variance_preserving(), 9)
    gaps = np.diff(jax.vmap(D.variance_preserving().log_snr)(times))
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=1e-10)


def test_a_sampler_takes_the_grid():
    schedule, point = D.linear_schedule(), jnp.array([0.3])
    found = D.sample(
        jax.random.key(0),
        lambda x, t: point,
        schedule,
        jnp.array([1.0]),
        times=D.log_snr_times(schedule, 5),
        sampler=D.ddim(),
        prediction=D.Prediction.DATA,
    )
    np.testing.assert_allclose(found, point, rtol=1e-6)


def test_grids_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="log SNR at the ends must be finite; set first or last; got -inf"):
        D.log_snr_times(D.rectified(), 5)
    with pytest.raises(ValueError, match="40 steps evenly spaced in log SNR fall together"):
        D.log_snr_times(D.linear_schedule(50), 40)
