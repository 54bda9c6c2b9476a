"""The oracle itself against SciPy's multivariate Gaussian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from genjax.oracles import LinearGaussian

from .vae.models import datum, random_model


def covariance(model):
    w = np.asarray(model.weights)
    noise = np.broadcast_to(np.exp(np.asarray(model.log_var)), w.shape[0])
    return w @ w.T + np.diag(noise)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_evidence_is_that_of_the_marginal_gaussian(orthogonal, x64):
    model = random_model(3, orthogonal=orthogonal)
    expected = scipy.stats.multivariate_normal.logpdf(datum(), model.bias, covariance(model))
    np.testing.assert_allclose(model.log_evidence(datum()), expected, rtol=1e-12)


def test_evidence_gradient_is_the_score_of_the_marginal(x64):
    model = random_model(3)
    expected = -np.linalg.solve(covariance(model), np.asarray(datum() - model.bias))
    np.testing.assert_allclose(jax.grad(model.log_evidence)(datum()), expected, rtol=1e-10)


def test_posterior_is_the_conditional_of_the_joint_gaussian(x64):
    model = random_model(4)
    w, cov = np.asarray(model.weights), covariance(model)
    gain = w.T @ np.linalg.inv(cov)
    mean, posterior_cov = model.posterior(datum())
    np.testing.assert_allclose(mean, gain @ np.asarray(datum() - model.bias), rtol=1e-10)
    np.testing.assert_allclose(posterior_cov, np.eye(2) - gain @ w, rtol=1e-10, atol=1e-14)


def test_kl_to_the_posterior_is_the_gaussian_formula_and_smallest_at_the_optimum(x64):
    model = random_model(5)
    mean, cov = map(np.asarray, model.posterior(datum()))
    m, log_var = jnp.array([0.2, -0.4]), jnp.array([-0.5, 0.3])
    inverse = np.linalg.inv(cov)
    expected = 0.5 * (
        np.trace(inverse @ np.diag(np.exp(log_var)))
        + (mean - m) @ inverse @ (mean - m)
        - 2
        + np.log(np.linalg.det(cov))
        - log_var.sum()
    )
    np.testing.assert_allclose(model.kl_to_posterior(m, log_var, datum()), expected, rtol=1e-10)
    best = model.optimal_encode(datum())
    value, gradient = jax.value_and_grad(model.kl_to_posterior, (0, 1))(*best, datum())
    assert 0 < value < expected  # correlated: no diagonal q is the posterior
    np.testing.assert_allclose(np.concatenate(gradient), 0.0, atol=1e-12)
    exact = random_model(5, orthogonal=True)
    np.testing.assert_allclose(
        exact.kl_to_posterior(*exact.optimal_encode(datum()), datum()), 0.0, atol=1e-12
    )


def test_samples_have_the_models_mean_and_covariance(x64):
    model = random_model(6)
    n = 100_000
    x = np.asarray(model.sample(jax.random.key(0), n))
    cov = covariance(model)
    assert (np.abs(x.mean(0) - model.bias) < 4 * np.sqrt(np.diag(cov) / n)).all()
    error = np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / n)
    assert (np.abs(np.cov(x.T) - cov) < 4 * error).all()


def test_the_model_is_a_pytree_through_jit_vmap_and_grad():
    models = jax.tree.map(lambda *leaves: jnp.stack(leaves), random_model(0), random_model(1))
    values = jax.jit(jax.vmap(lambda model: model.log_evidence(datum())))(models)
    np.testing.assert_allclose(values[1], random_model(1).log_evidence(datum()), rtol=1e-5)
    gradient = jax.grad(lambda model: model.log_evidence(datum()))(random_model(0))
    assert isinstance(gradient, LinearGaussian)
    assert gradient.weights.shape == (4, 2)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_the_gap_is_not_negative_at_the_optimum_in_float32(orthogonal):
    for seed in range(20):
        model = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), random_model(seed, orthogonal=orthogonal))
        x = jnp.asarray(datum(), jnp.float32)
        gap = float(model.kl_to_posterior(*model.optimal_encode(x), x))
        assert gap >= 0
        assert not orthogonal or gap < 1e-6
