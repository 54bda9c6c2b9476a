"""Inpainting by replacement: the known part stays, calls are counted, and rounds lead to the conditional law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D
from genjax.oracles import GaussianMixture

from .models import SCHEDULES, mixture

P = D.Prediction
MASK = jnp.array([True, False])


@pytest.mark.parametrize("name", ["zero terminal", "edm"])
@pytest.mark.parametrize("rule", [D.ancestral(), D.heun(), D.dpm_solver_pp_2m()])
def test_the_known_part_is_met_and_calls_are_counted(name, rule):
    schedule, count = SCHEDULES[name], []

    def predict(x, t):
        jax.debug.callback(lambda _: count.append(1), t)
        return jnp.array([0.4, -0.8])

    sampler = D.inpainting(rule, jnp.array([7.0, jnp.inf]), MASK, num_resamples=3)
    x = D.prior_sample(jax.random.key(0), schedule, (2,))
    x = D.sample(jax.random.key(1), predict, schedule, x, num_steps=4, sampler=sampler, prediction=P.DATA)
    jax.effects_barrier()
    np.testing.assert_allclose(x, [7.0, -0.8], atol=1e-5)
    assert len(count) == sampler.num_calls(4)


@pytest.mark.slow
def test_nothing_known_is_the_plain_law_and_all_known_is_the_event():
    schedule, mix = SCHEDULES["vp"], mixture()
    known = jnp.array([0.3, -2.0])
    run = lambda mask, n: jax.jit(
        jax.vmap(
            lambda key, x: D.sample(
                key,
                mix.noise_fn(schedule),
                schedule,
                x,
                num_steps=60,
                sampler=D.inpainting(D.ancestral(), known, mask, num_resamples=2),
            )
        )
    )(jax.random.split(jax.random.key(0), n), jax.random.normal(jax.random.key(1), (n, 2)))
    np.testing.assert_array_equal(run(jnp.array([True, True]), 2), jnp.stack([known] * 2))
    free = run(jnp.array([False, False]), 2000)
    mean = mix.weights @ mix.means
    second = np.einsum("k,kij->ij", mix.weights, mix.covs + mix.means[:, :, None] * mix.means[:, None])
    cov = second - np.outer(mean, mean)
    np.testing.assert_allclose(free.mean(0), mean, atol=0.15)
    np.testing.assert_allclose(np.cov(free.T), cov, atol=0.2)


@pytest.mark.slow
def test_the_error_against_the_known_conditional_falls_with_rounds_and_is_not_zero_at_one():
    """x_1 given x_0 of a correlated mixture is a mixture on the line, in closed form; W₁ by quantiles."""
    weights, at = np.array([0.4, 0.6]), 0.2
    means, cov = np.array([[0.0, 1.0], [0.0, -1.0]]), np.array([[1.0, 0.9], [0.9, 1.0]])
    mix = GaussianMixture(*(jnp.float32(a) for a in (weights, means, np.stack([cov, cov]))))
    n, schedule = 4000, D.log_snr_linear(8.0, -8.0)
    rng = np.random.default_rng(0)
    component = rng.choice(
        2, n * 20, p=weights
    )  # both have one law of x_0, so that x_0 tells nothing of them
    exact = means[component, 1] + 0.9 * at + np.sqrt(1 - 0.81) * rng.normal(size=n * 20)
    quantiles = np.quantile(exact, (np.arange(n) + 0.5) / n)

    def error(num_resamples):
        sampler = D.inpainting(D.ancestral(), jnp.array([at, 0.0]), MASK, num_resamples=num_resamples)
        one = lambda key, x: D.sample(key, mix.noise_fn(schedule), schedule, x, num_steps=30, sampler=sampler)
        start = jax.random.normal(jax.random.key(1), (n, 2))
        x = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), n), start)
        return np.abs(np.sort(np.asarray(x[:, 1])) - quantiles).mean()

    errors = [error(rounds) for rounds in (1, 4, 16)]
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]
