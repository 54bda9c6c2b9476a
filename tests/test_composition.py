"""One family inside another: a normalizing flow as the prior of a VAE, against the closed form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from genjax import flow
from genjax.flow import Affine, Chain
from genjax.oracles import LinearGaussian
from genjax.vae import elbo_terms, importance_weighted_elbo, log_evidence, negative_elbo

from .vae.models import datum, gauss_hermite, random_model

SHIFT, SCALE = np.array([0.4, -0.9]), np.array([1.7, 0.6])


def affine_prior():
    """The prior z = a + b ⊙ u, u ~ N(0, I)."""
    return Affine(shift=jnp.asarray(SHIFT), log_scale=jnp.log(jnp.asarray(SCALE)))


def as_standard_model(model, prior):
    """The oracle of the same x whose latent is u: weights W diag(b), bias W a + c."""
    scale = jnp.exp(prior.log_scale)
    return LinearGaussian(
        model.weights * scale[None], model.weights @ prior.shift + model.bias, model.log_var
    )


def posterior(model, prior):
    """The exact p(z|x), carried from u to z: diagonal, because the columns of W are orthogonal."""

    def encode(x):
        mean, log_var = as_standard_model(model, prior).optimal_encode(x)
        return prior.forward(mean)[0], log_var + 2 * prior.log_scale

    return encode


def evidence_and_gradient(model):
    """log N(x; W a + c, S), S = W diag(b²) Wᵀ + σ², and its gradient in a and log b, in NumPy."""
    w = np.asarray(model.weights)
    mean, cov = w @ SHIFT + model.bias, (w * SCALE**2) @ w.T + np.exp(model.log_var) * np.eye(len(w))
    solved = np.linalg.solve(cov, np.asarray(datum() - mean))
    explained = np.sum(w * np.linalg.solve(cov, w), axis=0)
    gradient = w.T @ solved, SCALE**2 * ((w.T @ solved) ** 2 - explained)
    return scipy.stats.multivariate_normal.logpdf(datum(), mean, cov), gradient


def assert_gradient(prior, expected):
    np.testing.assert_allclose(prior.shift, expected[0], rtol=1e-11)
    np.testing.assert_allclose(prior.log_scale, expected[1], rtol=1e-11)


def test_with_the_exact_posterior_every_draw_of_the_elbo_is_the_evidence(x64):
    model, noise = random_model(1, orthogonal=True), jnp.array([0.3, -1.1])
    expected, gradient = evidence_and_gradient(model)

    def elbo(prior):
        log_prior = partial(flow.log_prob, prior)
        return elbo_terms(
            posterior(model, prior), model.log_likelihood, datum(), noise, log_prior=log_prior
        ).elbo

    # The gap is zero at every a and b, because the encoder follows the prior: so is its gradient.
    value, slope = jax.jit(jax.value_and_grad(elbo))(affine_prior())
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert_gradient(slope, gradient)


def test_the_gradient_of_the_prior_alone_is_that_of_the_evidence(x64):
    """The encoder is held where it is exact, as in training: the average over draws has the same gradient."""
    model, (nodes, weights) = random_model(2, orthogonal=True), gauss_hermite(2)
    expected, gradient = evidence_and_gradient(model)
    encode = posterior(model, affine_prior())

    def elbo(prior):
        draw = partial(
            elbo_terms, encode, model.log_likelihood, datum(), log_prior=partial(flow.log_prob, prior)
        )
        return weights @ jax.vmap(lambda noise: draw(noise).elbo)(nodes)

    value, slope = jax.jit(jax.value_and_grad(elbo))(affine_prior())
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert_gradient(slope, gradient)


@pytest.mark.parametrize("name", ["negative_elbo", "importance_weighted_elbo", "log_evidence"])
def test_bound_and_estimates_take_the_same_prior(name, x64):
    model, prior = random_model(3, orthogonal=True), affine_prior()
    estimate, sign = {
        "negative_elbo": (negative_elbo, -1),
        "importance_weighted_elbo": (importance_weighted_elbo, 1),
        "log_evidence": (log_evidence, 1),
    }[name]
    encode, log_prior = posterior(model, prior), partial(flow.log_prob, prior)
    one = partial(estimate, log_prior=log_prior, num_samples=3)
    value = jax.jit(lambda key: one(key, encode, model.log_likelihood, datum()))(jax.random.key(0))
    np.testing.assert_allclose(sign * value, evidence_and_gradient(model)[0], rtol=1e-12)


def test_with_another_encoder_the_gap_is_the_kl_to_the_posterior(x64):
    """A flow of several layers is one prior; the gap is the same in z and in u = f⁻¹(z)."""
    model, prior = random_model(4), affine_prior()  # correlated: no diagonal encoder is exact
    layers = Chain((Affine(prior.shift / 2, prior.log_scale), Affine(prior.shift / 2, jnp.zeros(2))))
    mean, log_var = jnp.array([0.2, -0.4]), jnp.array([-0.5, 0.3])
    nodes, weights = gauss_hermite(2)

    @jax.jit
    def gaps(prior, layers):
        standard = as_standard_model(model, prior)
        in_z = lambda _: (prior.forward(mean)[0], log_var + 2 * prior.log_scale)
        options = {"log_prior": partial(flow.log_prob, layers)}
        draw = lambda noise: elbo_terms(in_z, model.log_likelihood, datum(), noise, **options).elbo
        return (
            standard.log_evidence(datum()) - weights @ jax.vmap(draw)(nodes),
            standard.kl_to_posterior(mean, log_var, datum()),
        )

    gap, kl = gaps(prior, layers)
    assert kl > 0.01
    np.testing.assert_allclose(gap, kl, rtol=1e-11)
