"""The oracle itself, against SciPy's multivariate Gaussian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from genjax.oracles import GaussianMixture


def random_mixture(k=3, d=2, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(k, d, d))
    covs = factors @ factors.transpose(0, 2, 1) / d + 0.3 * np.eye(d)
    return GaussianMixture(*map(jnp.asarray, (rng.dirichlet(np.ones(k)), 2 * rng.normal(size=(k, d)), covs)))


def scipy_log_prob(mixture, x):
    parts = zip(*map(np.asarray, (mixture.weights, mixture.means, mixture.covs)), strict=True)
    logs = [np.log(w) + scipy.stats.multivariate_normal.logpdf(x, m, c) for w, m, c in parts]
    return scipy.special.logsumexp(logs, axis=0)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_log_prob_is_scipys_and_the_score_its_gradient(d, x64):
    mixture = random_mixture(d=d, seed=d)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(20, d)) * 2)
    expected = scipy_log_prob(mixture, np.asarray(x))
    log_probs, gradients = jax.jit(jax.vmap(jax.value_and_grad(mixture.log_prob)))(x)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.vmap(mixture.score))(x), gradients, rtol=1e-9, atol=1e-12)


def test_the_score_holds_far_from_every_mean():
    mixture = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_mixture(k=1))
    x = jnp.array([300.0, -200.0])
    expected = np.linalg.solve(mixture.covs[0], mixture.means[0] - x)
    np.testing.assert_allclose(mixture.score(x), expected, rtol=1e-4)


def test_samples_have_the_mixtures_mean_and_covariance(x64):
    mixture, n = random_mixture(seed=4), 100_000
    x = np.asarray(mixture.sample(jax.random.key(0), n))
    weights, means, covs = map(np.asarray, (mixture.weights, mixture.means, mixture.covs))
    mean = weights @ means
    spread = means - mean
    cov = np.einsum("k,kij->ij", weights, covs + spread[:, :, None] * spread[:, None])
    assert (np.abs(x.mean(0) - mean) < 4 * np.sqrt(np.diag(cov) / n)).all()
    products = (x - mean)[:, :, None] * (x - mean)[:, None]
    assert (np.abs(products.mean(0) - cov) < 4 * products.std(0) / np.sqrt(n)).all()


def test_a_component_without_weight_is_never_drawn():
    mixture = GaussianMixture(jnp.array([1.0, 0.0]), jnp.array([[0.0], [99.0]]), jnp.ones((2, 1, 1)))
    assert (mixture.sample(jax.random.key(0), 1000) < 50).all()
    np.testing.assert_allclose(mixture.log_prob(jnp.zeros(1)), -0.5 * np.log(2 * np.pi), rtol=1e-6)


@pytest.mark.parametrize("empty", [(0,), (2,), (0, 2), (1, 3)])
@pytest.mark.parametrize("offset", [*(pytest.param(o, marks=pytest.mark.slow) for o in (0.0, 8.0)), 3.0])
def test_components_without_weight_have_the_gradient_of_their_density(empty, offset, x64):
    mixture = random_mixture(k=4, seed=5)
    weights = np.asarray(mixture.weights).copy()
    weights[list(empty)] = 0
    mixture = GaussianMixture(jnp.asarray(weights / weights.sum()), mixture.means, mixture.covs)
    x = jnp.array([0.3 + offset, -0.2])
    log_prob = lambda mixture, x: mixture.log_prob(x)
    value, (gradient, score) = jax.value_and_grad(log_prob, (0, 1))(mixture, x)
    normals = np.array(
        [
            scipy.stats.multivariate_normal.logpdf(x, m, c)
            for m, c in zip(mixture.means, mixture.covs, strict=True)
        ]
    )
    log_p = scipy.special.logsumexp(normals, b=mixture.weights)
    ratios = np.exp(normals - log_p)
    np.testing.assert_allclose(value, log_p, rtol=1e-12)
    np.testing.assert_allclose(gradient.weights, ratios, rtol=1e-9)
    shares = mixture.weights * ratios
    pulls = np.stack([np.linalg.solve(c, m - x) for m, c in zip(mixture.means, mixture.covs, strict=True)])
    np.testing.assert_allclose(gradient.means, -shares[:, None] * pulls, rtol=1e-9)
    np.testing.assert_allclose(mixture.score(x), shares @ pulls, rtol=1e-9)
    np.testing.assert_allclose(score, shares @ pulls, rtol=1e-9)
    along = lambda w: GaussianMixture(w, mixture.means, mixture.covs)
    # The score in the weights: (N_k/p) (pull_k − score).
    slope = jax.jacobian(lambda w: along(w).score(x))(mixture.weights)
    np.testing.assert_allclose(
        slope, (ratios[:, None] * (pulls - (shares @ pulls)[None])).T, rtol=1e-7, atol=1e-12
    )
    curvature = jax.hessian(lambda w: along(w).log_prob(x))(mixture.weights)
    np.testing.assert_allclose(curvature, -np.outer(ratios, ratios), rtol=1e-8)


def test_an_empty_component_at_the_point_leaves_the_rest_finite():
    mixture = GaussianMixture(jnp.array([0.0, 1.0]), jnp.array([[0.0], [60.0]]), jnp.ones((2, 1, 1)))
    value, gradient = jax.value_and_grad(lambda mixture: mixture.log_prob(jnp.zeros(1)))(mixture)
    np.testing.assert_allclose(value, -1800 - 0.5 * np.log(2 * np.pi), rtol=1e-6)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(gradient.means, [[0.0], [-60.0]])
    np.testing.assert_allclose(mixture.score(jnp.zeros(1)), [60.0])
    np.testing.assert_allclose(jax.jvp(mixture.log_prob, (jnp.zeros(1),), (jnp.ones(1),))[1], 60.0)


@pytest.mark.usefixtures("untyped")
def test_faults_of_the_mixture_are_named():
    mixture = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_mixture())
    with pytest.raises(ValueError, match=r"shape of a mean, \(2,\); got \(3,\)"):
        mixture.log_prob(jnp.zeros(3))
    with pytest.raises(ValueError, match=r"weights \(2,\), means \(3, 2\), covs \(3, 2, 2\)"):
        GaussianMixture(jnp.ones(2) / 2, mixture.means, mixture.covs).log_prob(jnp.zeros(2))
    faults = (
        (jnp.array([0.5, 0.6, 0.5]), mixture.covs, "the sum of weights must be 1"),
        (jnp.array([1.5, -1.0, 0.5]), mixture.covs, "weights must not be negative; got -1.0"),
        (mixture.weights, -mixture.covs, "covs must be positive definite"),
    )
    for weights, covs, message in faults:
        broken = GaussianMixture(weights, mixture.means, covs)
        with pytest.raises(ValueError, match=message):
            broken.log_prob(jnp.zeros(2))
        assert jnp.isnan(jax.jit(lambda mixture, x: mixture.log_prob(x))(broken, jnp.zeros(2)))


def test_the_score_keeps_its_digits_in_the_far_tails():
    # log p is about −450 a squared unit there, and its rounding would be that of the component's share.
    mixture = GaussianMixture(
        jnp.array([0.5, 0.5]), jnp.array([[0.0, 0.0], [1.0, 0.0]]), jnp.stack([jnp.eye(2)] * 2)
    )
    for distance in (30.0, 300.0):
        x = jnp.array([-distance, distance])
        expected = -x  # the other component's share is below exp(−30)
        np.testing.assert_allclose(mixture.score(x), expected, rtol=1e-6)
        np.testing.assert_allclose(jax.grad(mixture.log_prob)(x), expected, rtol=1e-6)
