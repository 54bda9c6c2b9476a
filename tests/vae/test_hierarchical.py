"""Layered latents against an exactly solvable chain of linear Gaussians."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from genjax.densities import standard_normal_log_prob
from genjax.oracles import LinearGaussian
from genjax.vae import (
    elbo_terms,
    hierarchical_elbo,
    hierarchical_elbo_terms,
    log_mean_weight,
)

from .models import affine_encoder, encoder_params, random_model

# One number a layer, so that every conditional is diagonal: z2 ~ N(0, 1), z1 = a z2 + s e, x = w z1 + σ e.
A, S, W, SIGMA = 0.8, 0.6, jnp.array([1.0, -0.5, 0.7]), 0.9
X = jnp.array([0.4, 0.1, -0.9])
VAR_1 = A**2 + S**2


def exact_posteriors():
    """q(z1|x) and q(z2|z1), by the oracle applied layer by layer to z1 in units of its standard deviation."""
    lower = LinearGaussian(W[:, None] * np.sqrt(VAR_1), jnp.zeros(3), jnp.log(SIGMA**2 * jnp.ones(())))
    upper = LinearGaussian(jnp.full((1, 1), A), jnp.zeros(1), jnp.log(S**2 * jnp.ones(())))

    def encode_1(x):
        mean, log_var = lower.optimal_encode(x)
        return mean * np.sqrt(VAR_1), log_var + np.log(VAR_1)

    return [encode_1, upper.optimal_encode], [lambda z2: (A * z2, jnp.full(1, jnp.log(S**2)))]


def log_likelihood(x, z1):
    return LinearGaussian(W[:, None], jnp.zeros(3), jnp.log(SIGMA**2 * jnp.ones(()))).log_likelihood(x, z1)


def log_evidence():
    w = np.asarray(W, np.float64)
    cov = VAR_1 * np.outer(w, w) + SIGMA**2 * np.eye(3)
    return scipy.stats.multivariate_normal.logpdf(np.asarray(X, np.float64), np.zeros(3), cov)


def test_at_the_exact_posterior_every_draw_gives_the_evidence():
    encoders, decoders = exact_posteriors()
    draw = lambda key: hierarchical_elbo(key, encoders, decoders, log_likelihood, X).elbo
    draws = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), 30))
    np.testing.assert_allclose(draws, log_evidence(), rtol=1e-5)


def test_a_worse_posterior_gives_a_bound_and_importance_weights_close_it():
    (encode_1, encode_2), decoders = exact_posteriors()
    worse = [lambda x: (encode_1(x)[0] + 0.3, encode_1(x)[1] + 0.5), encode_2]
    draw = lambda key: hierarchical_elbo(key, worse, decoders, log_likelihood, X).elbo
    draws = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), 5000))
    error = draws.std() / np.sqrt(5000)
    assert draws.mean() < log_evidence() - 10 * error
    estimate = jax.jit(lambda key: log_mean_weight(key, draw, num_samples=5000))(jax.random.key(1))
    np.testing.assert_allclose(estimate, log_evidence(), atol=0.02)


def test_one_layer_is_the_plain_vae():
    model, encode = random_model(), affine_encoder(encoder_params())
    x, noise = jnp.ones(4), jnp.array([0.3, -1.0])
    plain = elbo_terms(encode, model.log_likelihood, x, noise, log_prior=standard_normal_log_prob)
    layered = hierarchical_elbo_terms([encode], [], model.log_likelihood, x, [noise])
    np.testing.assert_allclose(layered.log_likelihood, plain.log_likelihood, rtol=1e-6)
    np.testing.assert_allclose(layered.kl[0], plain.kl, rtol=1e-5)


def test_the_gradient_of_the_evidence_is_recovered_through_the_layers():
    """At the posterior the ELBO is tight, so its gradient in a model parameter is that of log p(x)."""
    encoders, _ = exact_posteriors()

    def elbo(a, key):
        decoders = [lambda z2: (a * z2, jnp.full(1, jnp.log(S**2)))]
        return hierarchical_elbo(key, encoders, decoders, log_likelihood, X).elbo

    draws = jax.jit(jax.vmap(jax.grad(elbo), (None, 0)))(A, jax.random.split(jax.random.key(0), 20_000))

    def exact(a):
        cov = (a**2 + S**2) * jnp.outer(W, W) + SIGMA**2 * jnp.eye(3)
        return jax.scipy.stats.multivariate_normal.logpdf(X, jnp.zeros(3), cov)

    with jax.numpy_rank_promotion("allow"):
        expected = jax.jit(jax.grad(exact))(A)
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(20_000)


@pytest.mark.usefixtures("untyped")
def test_layers_that_do_not_fit_are_named():
    encoders, decoders = exact_posteriors()
    call = partial(hierarchical_elbo_terms, encoders, decoders, log_likelihood, X)
    with pytest.raises(ValueError, match=r"mean \(1,\), log_var \(1,\), noise \(2,\)"):
        call([jnp.zeros(1), jnp.zeros(2)])
    with pytest.raises(ValueError, match="got 2 encoders, 1 noises and 1 decoders"):
        call([jnp.zeros(1)])
