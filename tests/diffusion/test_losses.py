"""Losses: their integrands, their least values, and that all of them are one loss under weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D
from genjax import score as S

from .models import SCHEDULES, mixture

P = D.Prediction


def test_statement_s22_the_denoising_error_is_a_sum_over_the_event():
    schedule, x0, noise = D.linear_schedule(), jnp.zeros(3), jnp.array([0.3, 0.1, -0.2])
    off = lambda x, t: noise + jnp.array([0.1, -0.2, 0.05])
    error = D.denoising_error(off, schedule, x0, 500, noise)
    np.testing.assert_allclose([error, error / 3], [0.0525, 0.0175], rtol=1e-5)


@pytest.mark.parametrize("t", [300, *(pytest.param(t, marks=pytest.mark.slow) for t in (1, 50, 900))])
def test_statement_s11_the_least_l_simple_is_that_of_the_oracle_s_noise_function(t, x64):
    """By quadrature over x_t; over ε given x_t the error is the variance of ε, so no other function does better."""
    schedule, mix = D.linear_schedule(), mixture(jnp.float64)
    least = mix.optimal_l_simple(schedule, t, num_points=200)
    finer = mix.optimal_l_simple(schedule, t)
    np.testing.assert_allclose(least, finer, atol=1e-6)
    assert 0 < least < 2
    # Monte Carlo of the loss itself at the optimum, and beside it.
    key_x, key_noise = jax.random.split(jax.random.key(t))
    x0, noise = mix.sample(key_x, 20_000), jax.random.normal(key_noise, (20_000, 2))
    best = mix.noise_fn(schedule)
    error = lambda fn: jax.jit(jax.vmap(lambda x, e: D.denoising_error(fn, schedule, x, t, e)))(x0, noise)
    values = error(best)
    assert abs(values.mean() - least) < 4 * values.std() / np.sqrt(20_000)
    beside = error(lambda x, t: 0.9 * best(x, t))
    assert beside.mean() > values.mean()


def test_the_loss_of_any_prediction_is_the_weighted_loss_of_the_noise():
    schedule, key, x0 = D.variance_preserving(), jax.random.key(0), jnp.array([0.5, -1.0])
    noise_fn = lambda x, t: jnp.sin(x)
    time = lambda key: jnp.asarray(0.3)
    alpha, sigma = schedule.alpha(0.3), schedule.sigma(0.3)
    loss = lambda kind: D.denoising_loss(
        key,
        D.converted(noise_fn, schedule, source=P.NOISE, target=kind),
        schedule,
        x0,
        prediction=kind,
        time_sampler=time,
    )
    base = loss(P.NOISE)
    factors = {P.DATA: (sigma / alpha) ** 2, P.SCORE: sigma**-2, P.V: 1 / alpha**2}
    for kind, factor in factors.items():
        np.testing.assert_allclose(loss(kind), factor * base, rtol=1e-4)
    # Denoising score matching at level sigma/alpha of x_t/alpha is half the score's loss in these units.
    _, k_noise = jax.random.split(key)
    noise = jax.random.normal(k_noise, (2,))
    score_fn = lambda y: -noise_fn(alpha * y, 0.3) / (sigma / alpha)
    matched = S.denoising_score_matching(score_fn, x0, noise, sigma=sigma / alpha)
    np.testing.assert_allclose(matched, 0.5 * (alpha / sigma) ** 2 * base, rtol=1e-4)


def test_l_simple_is_the_denoising_loss_of_the_noise():
    schedule, key, x0 = D.linear_schedule(), jax.random.key(3), jnp.array([0.5, -1.0])
    fn = lambda x, t: jnp.sin(x)
    np.testing.assert_allclose(
        D.l_simple(key, fn, schedule, x0), D.denoising_loss(key, fn, schedule, x0, prediction=P.NOISE)
    )


def test_edm_is_the_weighted_loss_of_the_data():
    """λ(σ) ‖D(x) − x0‖² with the weight of `edm_weight`, which the reduced form must equal."""
    network, x0, noise = (lambda x, c: jnp.sin(x + c)), jnp.array([0.5, -0.3]), jnp.array([1.0, 0.2])
    denoiser = D.edm_denoiser(network, sigma_data=0.5)
    for sigma in (0.01, 0.5, 20.0):
        weight = D.edm_weight(sigma_data=0.5)(D.edm(), sigma)
        np.testing.assert_allclose(weight, (sigma**2 + 0.25) / (0.5 * sigma) ** 2, rtol=1e-5)
        direct = weight * jnp.sum((denoiser(x0 + sigma * noise, jnp.asarray(sigma)) - x0) ** 2)
        reduced = D.edm_error(network, x0, sigma, noise, sigma_data=0.5)
        np.testing.assert_allclose(reduced, direct, rtol=1e-3)


def test_the_sampler_of_times_and_the_weight_are_used():
    schedule, x0 = D.rectified(), jnp.array([0.5])
    value = D.denoising_loss(
        jax.random.key(0),
        lambda x, t: jnp.asarray(t)[None] * 0,
        schedule,
        x0,
        prediction=P.DATA,
        weight=lambda s, t: 10 * t,
        time_sampler=lambda key: jnp.asarray(0.7),
    )
    np.testing.assert_allclose(value, 7 * 0.25, rtol=1e-6)


@pytest.mark.parametrize("name", ["vp", "log snr"])
def test_likelihood_weighting_is_minus_half_the_slope_of_log_snr(name, x64):
    schedule, t = SCHEDULES[name], 0.4
    slope = (schedule.log_snr(t + 1e-6) - schedule.log_snr(t - 1e-6)) / 2e-6
    np.testing.assert_allclose(D.likelihood_weight(schedule, t), -slope / 2, rtol=1e-6)
