"""Objectives without log Z have the gradient, or the minimum, of those with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import normal_log_prob
from genjax.energy import RestrictedBoltzmann, contrastive_divergence, noise_contrastive_estimation
from genjax.oracles import EnumerableEnergy


def energy(theta, x):
    """A small Ising chain with a field, on x_i in {0, 1}."""
    x = x.astype(theta.dtype)
    return theta[0] * jnp.sum(x) + theta[1] * jnp.sum(x[1:] * x[:-1]) + theta[2] * x[0] * x[-1]


def test_contrastive_divergence_with_the_models_own_samples_is_maximum_likelihood(x64):
    theta, x_data = jnp.array([0.4, -1.1, 0.7]), jnp.array([1, 0, 1, 1])
    table = lambda theta: EnumerableEnergy.tabulate(lambda x: energy(theta, x), (2,) * 4)
    model = table(theta)

    def expected_loss(theta):  # the expectation over x_model ~ p, by enumeration at a fixed p
        loss = lambda x: contrastive_divergence(lambda y: energy(theta, y), x_data, x)
        return model.expectation(loss)

    exact = jax.jit(jax.grad(lambda theta: -table(theta).log_prob(x_data)))(theta)
    np.testing.assert_allclose(jax.jit(jax.grad(expected_loss))(theta), exact, rtol=1e-12)


def test_contrastive_divergence_of_a_boltzmann_machine_is_maximum_likelihood(x64):
    rng = np.random.default_rng(0)
    rbm = RestrictedBoltzmann(
        *map(jnp.asarray, (rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)))
    )
    v = jnp.array([1.0, 0.0, 0.0, 1.0])
    model = EnumerableEnergy.tabulate(rbm.free_energy, (2,) * 4)
    loss = lambda rbm: model.expectation(
        lambda x: contrastive_divergence(rbm.free_energy, v, x.astype(float))
    )
    exact = jax.jit(jax.grad(lambda rbm: -rbm.log_prob(v)))(rbm)
    for mine, true in zip(*map(jax.tree.leaves, (jax.jit(jax.grad(loss))(rbm), exact)), strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-10, atol=1e-14)


def test_no_gradient_passes_through_the_models_sample():
    square = lambda x: jnp.sum(x**2)
    gradients = jax.grad(lambda a, b: contrastive_divergence(square, a, b), (0, 1))(jnp.ones(2), jnp.ones(2))
    np.testing.assert_array_equal(gradients[0], 2 * jnp.ones(2))
    np.testing.assert_array_equal(gradients[1], jnp.zeros(2))


MEAN, LOG_STD = 0.8, -0.4  # of the data
TRUTH = jnp.array(
    [MEAN, LOG_STD, 0.5 * np.log(2 * np.pi) + LOG_STD]
)  # (μ, log s, log Z of E = ½ (x − μ)²/s²)


def noise_log_prob(x):
    return normal_log_prob(x, jnp.zeros_like(x), jnp.full_like(x, 2 * np.log(1.5)))


def nce(theta, x, noise):
    mean, log_std, log_z = theta
    quadratic = lambda x: 0.5 * ((x - mean) * jnp.exp(-log_std)) ** 2
    return noise_contrastive_estimation(quadratic, noise_log_prob, log_z, x, noise)


@pytest.mark.parametrize("num_noise", [1, 5])
def test_noise_contrastive_estimation_recovers_a_gaussian_and_its_log_z(num_noise, x64):
    n, truth = 20_000, TRUTH.astype(jnp.float64)
    key_x, key_noise = jax.random.split(jax.random.key(0))
    x = MEAN + np.exp(LOG_STD) * jax.random.normal(key_x, (n,))
    noise = 1.5 * jax.random.normal(key_noise, (n, num_noise))
    mean_loss = lambda theta: jnp.mean(jax.vmap(nce, (None, 0, 0))(theta, x, noise))
    gradient, hessian = jax.jit(jax.grad(mean_loss)), jax.jit(jax.hessian(mean_loss))
    scores = np.asarray(jax.jit(jax.vmap(jax.grad(nce), (None, 0, 0)))(truth, x, noise))
    assert (np.abs(scores.mean(0)) < 4 * scores.std(0) / np.sqrt(n)).all()  # the truth is stationary

    theta = truth + jnp.array([0.2, 0.2, 0.3])
    for _ in range(8):  # Newton, on a loss that is convex there
        theta = jnp.asarray(theta - np.linalg.solve(hessian(theta), gradient(theta)))
    np.testing.assert_allclose(gradient(theta), 0.0, atol=1e-10)
    inverse = np.linalg.inv(hessian(truth))
    error = np.sqrt(np.diag(inverse @ np.cov(scores.T) @ inverse) / n)  # of an M-estimator
    assert (np.abs(theta - truth) < 4 * error).all()
    assert (error < 0.03).all()


def test_noise_contrastive_estimation_is_the_logistic_loss_and_holds_far_out():
    x, noise = jnp.array(0.3), jnp.array([0.1, -0.4])
    log_p = lambda x: normal_log_prob(x, jnp.array(MEAN), jnp.array(2 * LOG_STD))
    posterior = lambda x: np.exp(log_p(x)) / (np.exp(log_p(x)) + 2 * np.exp(noise_log_prob(x)))
    expected = -np.log(posterior(x)) - sum(np.log1p(-posterior(y)) for y in noise)
    np.testing.assert_allclose(nce(TRUTH, x, noise), expected, rtol=1e-5)
    value, gradient = jax.jit(jax.value_and_grad(nce))(TRUTH, jnp.array(60.0), jnp.array([-60.0]))
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()
