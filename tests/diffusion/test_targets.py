"""Every prediction as every other, the posterior between two times, and the mixture's own answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D

from .models import COVS, MEANS, SCHEDULES, WEIGHTS, is_discrete, middle, mixture

P = D.Prediction


def line(schedule, t, kind, x0, eps):
    alpha, sigma = (np.float64(fn(t)) for fn in (schedule.alpha, schedule.sigma))
    if kind is P.VELOCITY:
        slope = lambda fn: float(jax.grad(fn)(t))
        return slope(schedule.alpha) * x0 + slope(schedule.sigma) * eps
    return {P.NOISE: eps, P.DATA: x0, P.V: alpha * eps - sigma * x0, P.SCORE: -eps / sigma}[kind]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_all_pairs_of_predictions_agree(name):
    schedule, (x0, eps) = SCHEDULES[name], np.random.default_rng(0).normal(size=(2, 3))
    t = middle(schedule)
    x_t = np.float64(schedule.alpha(t)) * x0 + np.float64(schedule.sigma(t)) * eps
    kinds = [k for k in P if not (k is P.VELOCITY and is_discrete(schedule))]
    for source, target in itertools.product(kinds, kinds):
        if name in ("edm", "ve") and source is P.VELOCITY and target is P.DATA:
            continue  # alpha' = 0: covered by the noise, which it is a multiple of
        value = jnp.float32(line(schedule, t, source, x0, eps))
        found = D.convert(schedule, value, jnp.float32(x_t), t, source=source, target=target)
        np.testing.assert_allclose(found, line(schedule, t, target, x0, eps), rtol=2e-3, atol=2e-3)


def test_statement_s12_the_score_is_minus_the_noise_over_sigma():
    schedule, eps = D.linear_schedule(), jnp.array([0.7610377, 0.1216750])
    score = D.convert(schedule, eps, eps, 501, source=P.NOISE, target=P.SCORE)
    np.testing.assert_allclose(score, [-0.7924883, -0.1267033], atol=1e-6)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_posterior_is_bayes_rule(name):
    """Of two Gaussians: x_s ~ N(alpha_s x0, sigma_s²), x_t = (alpha_t/alpha_s) x_s + noise, in float64."""
    schedule = SCHEDULES[name]
    times = schedule.times(10)
    for s, t in ((times[5], times[2]), (times[3], times[2]), (times[9], times[1])):
        at = lambda t: [np.float64(fn(t)) for fn in (schedule.alpha, schedule.sigma)]
        (a_s, s_s), (a_t, s_t) = at(s), at(t)
        ratio = a_t / a_s
        added = s_t**2 - ratio**2 * s_s**2
        variance = 1 / (1 / s_s**2 + ratio**2 / added)
        mean = lambda x0, x, a=a_s, v=s_s, r=ratio, n=added, w=variance: w * (a * x0 / v**2 + r * x / n)
        found_mean, found = D.posterior(schedule, jnp.array([0.7]), jnp.array([-1.2]), s, t)
        np.testing.assert_allclose(found, variance, rtol=2e-3)
        np.testing.assert_allclose(found_mean, [mean(0.7, -1.2)], rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(D.posterior_variance(schedule, s, t), variance, rtol=2e-3)
        np.testing.assert_allclose(D.transition_variance(schedule, s, t), added, rtol=2e-3)


def test_the_posterior_at_clean_data_is_the_data():
    for name in ("linear", "zero terminal"):
        mean, variance = D.posterior(SCHEDULES[name], jnp.array([0.7]), jnp.array([9.0]), 0, 1000)
        np.testing.assert_allclose(mean, [0.7])
        assert variance == 0


def normal_pdf(x, mean, cov):
    d = x - mean
    return np.exp(-d @ np.linalg.solve(cov, d) / 2) / np.sqrt(np.linalg.det(2 * np.pi * cov))


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_diffused_mixture_is_one_and_its_predictions_are_conditional_means(name):
    schedule, t, x = SCHEDULES[name], middle(SCHEDULES[name]), np.array([0.4, -0.3])
    alpha, sigma = (np.float64(fn(t)) for fn in (schedule.alpha, schedule.sigma))
    covs = alpha**2 * COVS + sigma**2 * np.eye(2)
    shares = WEIGHTS * [normal_pdf(x, alpha * m, c) for m, c in zip(MEANS, covs, strict=True)]
    p = shares.sum()
    shares /= p
    pulls = np.stack([np.linalg.solve(c, alpha * m - x) for m, c in zip(MEANS, covs, strict=True)])
    score = shares @ pulls
    data = shares @ [m - alpha * c @ pull for m, c, pull in zip(MEANS, COVS, pulls, strict=True)]
    diffused = mixture().diffused(schedule, t)
    np.testing.assert_allclose(diffused.log_prob(jnp.float32(x)), np.log(p), rtol=1e-4, atol=1e-5)
    for kind, expected in ((P.SCORE, score), (P.DATA, data), (P.NOISE, -sigma * score)):
        found = mixture().predict(schedule, kind)(jnp.float32(x), t)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((x - sigma * -sigma * score) / alpha, data, rtol=1e-6, atol=1e-8)  # Tweedie
    others = [P.V] + [P.VELOCITY] * (not is_discrete(schedule))
    for kind in others:
        found = mixture().predict(schedule, kind)(jnp.float32(x), t)
        np.testing.assert_allclose(found, line(schedule, t, kind, data, -sigma * score), rtol=1e-3, atol=1e-4)


def test_a_prediction_of_the_data_has_a_value_where_nothing_of_it_is_left():
    found = mixture().predict(SCHEDULES["zero terminal"], P.DATA)(jnp.array([0.5, 1.0]), jnp.asarray(1000))
    np.testing.assert_allclose(found, WEIGHTS @ MEANS, rtol=1e-5)
