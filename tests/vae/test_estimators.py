"""Gradient estimators: one value, four gradients, all but one the exact gradient in the mean."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import standard_normal_log_prob
from genjax.vae import (
    doubly_reparameterized,
    importance_weighted_elbo,
    pathwise,
    score_function,
    sticking_the_landing,
)

from .models import datum, kl_to_posterior, optimal_encode, random_model

ALL = [pathwise, score_function, sticking_the_landing, doubly_reparameterized]
NUM_DRAWS = 40_000


def gradients(estimator, num_samples, phi, model, *, seed=0, num_draws=NUM_DRAWS):
    """Draws of the gradient in q's mean and log-variance, [num_draws, 4]."""

    def bound(phi, key):
        noise = jax.random.normal(key, (num_samples, 2))
        log_joint = lambda z: model.log_likelihood(datum(), z) + standard_normal_log_prob(z)
        return estimator(log_joint, phi[:2], phi[2:], noise)

    keys = jax.random.split(jax.random.key(seed), num_draws)
    return np.asarray(jax.jit(jax.vmap(jax.grad(bound), (None, 0)))(phi, keys))


def phi_near(model, offset):
    mean, log_var = optimal_encode(model, datum())
    return jnp.asarray(np.concatenate([mean, log_var]) + offset * np.array([0.6, -0.4, 0.5, 0.3]))


def z_scores(sample, expected):
    standard_error = sample.std(0) / np.sqrt(sample.shape[0])
    return np.abs(sample.mean(0) - expected) / np.maximum(standard_error, 1e-7)


def test_all_estimators_have_the_value_of_the_bound():
    model = random_model()
    encode = lambda x: (jnp.array([0.3, -0.2]), jnp.array([0.1, -0.3]))
    values = [
        importance_weighted_elbo(
            jax.random.key(2), encode, model.log_likelihood, datum(), num_samples=6, estimator=estimator
        )
        for estimator in ALL
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-6)


@pytest.mark.parametrize("estimator", ALL)
def test_mean_gradient_of_the_elbo_is_exact(estimator, x64):
    model = random_model()
    phi = phi_near(model, 1.0)
    exact = jax.grad(lambda phi: -kl_to_posterior(model, phi[:2], phi[2:], datum()))(phi)
    assert (z_scores(gradients(estimator, 1, phi, model), exact) < 4).all()


@pytest.mark.parametrize("estimator", [score_function, doubly_reparameterized])
def test_mean_gradient_of_the_weighted_bound_is_the_plain_one(estimator, x64):
    model = random_model()
    phi = phi_near(model, 1.0)
    plain = gradients(pathwise, 5, phi, model, seed=1, num_draws=4 * NUM_DRAWS)
    other = gradients(estimator, 5, phi, model, num_draws=4 * NUM_DRAWS)
    error = np.hypot(plain.std(0), other.std(0)) / np.sqrt(4 * NUM_DRAWS)
    assert (np.abs(plain.mean(0) - other.mean(0)) < 4 * error).all()


def test_sticking_the_landing_is_biased_for_several_samples(x64):
    model = random_model()
    phi = phi_near(model, 1.0)
    plain = gradients(pathwise, 5, phi, model, seed=1)
    stuck = gradients(sticking_the_landing, 5, phi, model)
    error = np.hypot(plain.std(0), stuck.std(0)) / np.sqrt(NUM_DRAWS)
    assert (np.abs(plain.mean(0) - stuck.mean(0)) > 8 * error).any()


@pytest.mark.parametrize("estimator", ALL)
def test_the_models_gradient_is_the_same_for_all(estimator):
    model, noise = random_model(), jax.random.normal(jax.random.key(0), (5, 2))

    def bound(model, estimator):
        log_joint = lambda z: model.log_likelihood(datum(), z) + standard_normal_log_prob(z)
        return estimator(log_joint, jnp.array([0.3, -0.2]), jnp.array([0.1, -0.3]), noise)

    gradient = jax.jit(jax.grad(bound), static_argnums=1)
    leaves = map(jax.tree.leaves, (gradient(model, estimator), gradient(model, pathwise)))
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_variances_stand_in_the_order_of_the_papers(x64):
    model = random_model()
    total = lambda estimator, k, phi: gradients(estimator, k, phi, model).var(0).sum()
    near = phi_near(model, 0.3)
    assert total(score_function, 1, near) > 5 * total(pathwise, 1, near)
    assert total(pathwise, 1, near) > total(sticking_the_landing, 1, near)
    np.testing.assert_allclose(
        total(sticking_the_landing, 1, near), total(doubly_reparameterized, 1, near), rtol=1e-6
    )
    assert total(score_function, 8, near) > total(pathwise, 8, near) > total(doubly_reparameterized, 8, near)


@pytest.mark.parametrize("estimator", [sticking_the_landing, doubly_reparameterized])
def test_no_variance_is_left_at_the_posterior(estimator, x64):
    model = random_model(orthogonal=True)
    phi = phi_near(model, 0.0)
    assert gradients(estimator, 1, phi, model, num_draws=100).std(0).max() < 1e-12
    assert gradients(pathwise, 1, phi, model, num_draws=100).std(0).min() > 0.1


@pytest.mark.slow
def test_signal_to_noise_falls_with_samples_for_the_plain_gradient_alone(x64):
    """As 1/√K and √K, where q is wider than the posterior, so that the weights are bounded."""
    model = random_model(orthogonal=True)
    phi = phi_near(model, 1.0)

    def ratio(estimator, num_samples):
        g = gradients(estimator, num_samples, phi, model, num_draws=8000)
        return np.mean(np.abs(g.mean(0)) / g.std(0))

    assert 3 < ratio(pathwise, 1) / ratio(pathwise, 16) < 5
    assert 3 < ratio(doubly_reparameterized, 256) / ratio(doubly_reparameterized, 16) < 5


def test_the_score_function_needs_no_gradient_of_the_model_in_z(x64):
    """A step in z stops the pathwise gradient; the score function still sees it."""
    step = lambda z: jnp.where(z[0] > 0, 0.0, -1.0) + standard_normal_log_prob(z)
    noise = jax.random.normal(jax.random.key(0), (20_000, 1, 1))
    one = lambda estimator, n: jax.grad(partial(estimator, step), 0)(jnp.array([0.2]), jnp.zeros(1), n)
    gradient = lambda estimator: np.asarray(jax.jit(jax.vmap(partial(one, estimator)))(noise))
    # d/dμ E[1{z > 0}] = φ(μ), on top of the KL's −μ.
    exact = np.exp(-0.02) / np.sqrt(2 * np.pi) - 0.2
    draws = gradient(score_function)
    assert abs(draws.mean() - exact) < 4 * draws.std() / np.sqrt(20_000)
    np.testing.assert_allclose(gradient(sticking_the_landing).mean(), -0.2, atol=0.05)
