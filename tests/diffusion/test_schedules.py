"""Schedules against their products and closed forms in float64, at both ends; kinds of time; what the checks find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D

from .models import SCHEDULES, is_discrete

BETAS = np.linspace(1e-4, 0.02, 1000)
BARS = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
every = pytest.mark.parametrize("name", sorted(SCHEDULES))


def test_statement_s09_the_marginal_of_the_linear_schedule():
    schedule = D.linear_schedule()
    bars = {1: 0.9999, 101: 0.8951416, 251: 0.5214230, 501: 0.0777967, 751: 0.0033002, 1000: 4.035830e-5}
    ratios = {1: 9999, 101: 8.5366696, 251: 1.0895280, 501: 0.0843595, 751: 0.0033111, 1000: 4.03599e-5}
    for t, bar in bars.items():
        np.testing.assert_allclose(schedule.alpha(t) ** 2, bar, rtol=2e-5)
        np.testing.assert_allclose(jnp.exp(schedule.log_snr(t)), ratios[t], rtol=1e-5)
    half = D.schedule_from_betas([0.3])
    x_t = D.add_noise(half, jnp.array([1.0, -0.5]), 1, jnp.array([1.7640523, 0.4001572]))
    np.testing.assert_allclose(x_t, [1.8028713, -0.1991549], atol=1e-6)
    x_t = D.add_noise(half, jnp.array([1.0, -0.5, 0.25]), 1, jnp.array([0.6404227, 0.1049001, -0.5356694]))
    np.testing.assert_allclose(x_t, [1.1874340, -0.3608739, -0.0842332], atol=1e-6)


def test_the_variance_between_neighbours_keeps_its_digits():
    """Log SNR alone, stored in float32, gives beta_1000 to 3e-5; a table of its own making still works."""
    schedule = D.linear_schedule()
    variances = jax.vmap(lambda t: D.transition_variance(schedule, t - 1, t))(jnp.arange(1, 1001))
    np.testing.assert_allclose(variances, BETAS, rtol=1e-6)
    three = D.DiscreteSchedule(schedule.alphas, schedule.sigmas, schedule.log_snrs)
    np.testing.assert_allclose(D.transition_variance(three, 999, 1000), BETAS[-1], rtol=1e-4)


def test_stepping_the_chain_gives_the_marginal_s_mean_and_variance():
    """By induction: x_t = √(1 − beta_t) x_{t−1} + √beta_t z."""
    schedule, mean, variance = D.linear_schedule(), 1.0, 0.0
    for t, beta in enumerate(BETAS, 1):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        if t % 100 == 0:
            np.testing.assert_allclose(
                [schedule.alpha(t), schedule.sigma(t)], [mean, np.sqrt(variance)], rtol=1e-5
            )


def test_tables_are_accurate_at_both_ends():
    schedule = D.linear_schedule()
    for t in (1, 2, 500, 999, 1000):
        np.testing.assert_allclose(schedule.sigma(t), np.sqrt(1 - BARS[t]), rtol=1e-5)
        np.testing.assert_allclose(schedule.log_snr(t), np.log(BARS[t]) - np.log1p(-BARS[t]), rtol=1e-5)
    assert (schedule.alpha(0), schedule.sigma(0), schedule.log_snr(0)) == (1, 0, jnp.inf)


@pytest.mark.parametrize("t", [1e-7, 1e-4, 0.5, 1 - 2.0**-12])
def test_sigma_is_accurate_where_one_minus_alpha_squared_is_not(t):
    t32 = float(np.float32(t))
    b = 0.1 * t32 + 9.95 * t32**2
    vp = D.variance_preserving()
    np.testing.assert_allclose(vp.sigma(jnp.float32(t)), np.sqrt(-np.expm1(-b)), rtol=1e-6)
    np.testing.assert_allclose(vp.alpha(jnp.float32(t)), np.exp(-b / 2), rtol=2e-6)
    assert np.isfinite(jax.grad(vp.alpha)(jnp.float32(t)))


@every
def test_each_schedule_passes_the_check_and_draws_times_that_it_takes(name):
    schedule = SCHEDULES[name]
    report = D.check_schedule(schedule)
    assert report.identity_error < 1e-2
    t = schedule.sample_time(jax.random.key(0))
    assert jnp.issubdtype(t.dtype, jnp.integer) == is_discrete(schedule)
    times = schedule.times(7)
    assert len(times) == 7
    assert (np.diff(np.asarray(times, float)) < 0).all()
    jitted = jax.jit(lambda s, t: (s.alpha(t), s.sigma(t)))(schedule, times[3])
    np.testing.assert_allclose(jitted, (schedule.alpha(times[3]), schedule.sigma(times[3])), rtol=1e-6)


@every
@pytest.mark.usefixtures("untyped")
def test_times_of_the_wrong_kind_or_outside_are_named(name):
    schedule = SCHEDULES[name]
    wrong = jnp.asarray(0.5) if is_discrete(schedule) else jnp.asarray(1)
    for fn in (schedule.alpha, schedule.sigma, schedule.log_snr):
        with pytest.raises(TypeError, match="times"):
            fn(wrong)
        with pytest.raises(TypeError, match="times"):
            jax.jit(fn)(wrong)
    outside = [-1, 1001] if is_discrete(schedule) else [-0.5] + [1.5] * (name != "edm")
    for t in map(jnp.asarray, outside):
        with pytest.raises(ValueError, match="lie in"):
            schedule.alpha(t)
        assert np.isnan(jax.jit(schedule.sigma)(t))


def test_zero_terminal_snr_keeps_its_start_and_loses_all_signal():
    schedule = SCHEDULES["zero terminal"]
    a = np.sqrt(BARS)
    assert (schedule.alpha(1000), schedule.sigma(1000), schedule.alpha(0)) == (0, 1, 1)
    for t in (1, 2, 500, 999):
        np.testing.assert_allclose(schedule.alpha(t), (a[t] - a[-1]) * a[1] / (a[1] - a[-1]), rtol=1e-4)


def test_factories_refuse_what_is_no_schedule():
    with pytest.raises(ValueError, match="at most 20 needs an explicit beta_end"):
        D.linear_schedule(20)
    with pytest.raises(ValueError, match=r"betas must lie in \(0, 1\)"):
        D.schedule_from_betas([0.1, 1.0])
    with pytest.raises(ValueError, match="0 < sigma_min < sigma_max"):
        D.edm(2.0, 1.0)
    with pytest.raises(ValueError, match="log_snr_min < log_snr_max"):
        D.log_snr_linear(-1.0, 1.0)
    assert D.linear_schedule(50).alpha(50) < 0.01  # and not .77, as fixed betas would have it


class Broken:
    """A rectified schedule with one method of another."""

    def __init__(self, **methods):
        for name in ("alpha", "sigma", "log_snr", "times", "sample_time"):
            setattr(self, name, methods.get(name, getattr(D.rectified(), name)))


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"log_snr": lambda t: -D.rectified().log_snr(t)}, "log SNR falls with t"),
        ({"log_snr": lambda t: D.rectified().log_snr(t) / 2}, r"log SNR is log\(alpha²/sigma²\)"),
        ({"sigma": lambda t: 0 * t}, "sigma above 0"),
        ({"times": lambda n: jnp.linspace(0.1, 1.0, n)}, "times decrease strictly"),
        ({"sample_time": lambda key: jnp.zeros(())}, "drawn times have noise"),
    ],
)
def test_the_check_names_what_is_wrong(methods, message):
    with pytest.raises(ValueError, match=message):
        D.check_schedule(Broken(**methods))


def test_the_preflight_says_what_differs_and_nothing_else():
    noise, v = D.Prediction.NOISE, D.Prediction.V
    linear, zero, vp = SCHEDULES["linear"], SCHEDULES["zero terminal"], SCHEDULES["vp"]
    run = lambda a, p, b, q, times: D.preflight(a, p, schedule=b, prediction=q, times=times)
    assert run(linear, noise, linear, noise, linear.times(10)) == []
    assert run(zero, v, zero, v, zero.times(5)) == []
    assert (
        "trained to predict NOISE and is sampled as V" in run(linear, noise, linear, v, linear.times(10))[0]
    )
    assert "one schedule is discrete" in run(linear, noise, vp, noise, vp.times(4))[0]
    assert "the first time is 900" in run(linear, noise, linear, noise, jnp.array([900, 10]))[0]
    told = run(linear, noise, SCHEDULES["cosine"], noise, linear.times(10))
    assert any("was trained at log SNR" in line for line in told)
    weak = D.schedule_from_betas(np.linspace(1e-4, 0.02, 50))
    assert any(
        "signal-to-noise ratio at the start" in line for line in run(weak, noise, weak, noise, weak.times(5))
    )
    assert any(
        "says nothing where alpha = 0" in line for line in run(zero, noise, zero, noise, zero.times(5))
    )


def test_laws_of_the_time():
    keys = jax.random.split(jax.random.key(0), 4000)
    logit = jax.vmap(lambda key: D.logit_normal_time(key, mean=0.5, std=2.0))(keys)
    z = np.log(logit) - np.log1p(-logit)
    np.testing.assert_allclose([z.mean(), z.std()], [0.5, 2.0], atol=4 * 2 / np.sqrt(4000))
    times = D.low_discrepancy_times(keys[0], 8)
    np.testing.assert_array_equal(np.floor(np.asarray(times) * 8), np.arange(8))
    first = jax.vmap(lambda key: D.low_discrepancy_times(key, 8)[3])(keys)
    np.testing.assert_allclose(first.mean(), 3.5 / 8, atol=4 / 8 / np.sqrt(12 * 4000))
    start = jax.vmap(lambda key: D.prior_sample(key, D.edm(), ()))(keys)
    np.testing.assert_allclose(start.std(), 80, rtol=4 / np.sqrt(8000))


def test_min_snr_is_one_weighting_of_the_loss_for_every_prediction():
    """At t = 501 of the linear schedule 1, .0844 and .0778; and the converted losses agree at every time."""
    schedule, P = D.linear_schedule(), D.Prediction
    weights = [D.min_snr_weight(p)(schedule, 501) for p in (P.NOISE, P.DATA, P.V)]
    np.testing.assert_allclose(weights, [1, 0.0843595, 0.0777967], rtol=1e-5)
    x0, noise, guess = jax.random.normal(jax.random.key(0), (3, 4))
    for t in (3, 100, 501, 990):
        x_t = D.add_noise(schedule, x0, t, noise)
        losses = []
        for p in (P.NOISE, P.DATA, P.V):
            to = lambda v, p=p, x_t=x_t, t=t: D.convert(schedule, v, x_t, t, source=P.V, target=p)
            target = schedule.alpha(t) * noise - schedule.sigma(t) * x0
            error = jnp.sum((to(guess) - to(target)) ** 2)
            losses.append(D.min_snr_weight(p)(schedule, t) * error)
        np.testing.assert_allclose(losses, losses[0], rtol=2e-3)
