"""Importance-weighted bounds: IWAE at K = 1 is the ELBO, bounds rise with K, memory does not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.vae import importance_weighted_elbo, log_evidence, log_mean_weight, negative_elbo

from .models import (
    affine_encoder,
    datum,
    encoder_params,
    exact_log_evidence,
    kl_to_posterior,
    optimal_encode,
    random_model,
)


def test_one_sample_is_the_elbo():
    model, encode = random_model(), affine_encoder(encoder_params())
    for seed in range(5):
        key = jax.random.key(seed)
        bound = importance_weighted_elbo(key, encode, model.log_likelihood, datum(), num_samples=1)
        cost = negative_elbo(key, encode, model.log_likelihood, datum(), log_prior=standard_normal_log_prob)
        np.testing.assert_allclose(bound, -cost, rtol=1e-6)


def test_bounds_rise_with_the_number_of_samples_towards_the_evidence(x64):
    model, encode = random_model(), affine_encoder(encoder_params())
    keys = jax.random.split(jax.random.key(0), 2000)
    exact_elbo = exact_log_evidence(model, datum()) - kl_to_posterior(model, *encode(datum()), datum())
    means, errors = [], []
    for num_samples in (1, 2, 5, 20, 100):
        bound = partial(importance_weighted_elbo, num_samples=num_samples)
        draws = jax.jit(jax.vmap(lambda key: bound(key, encode, model.log_likelihood, datum())))(keys)  # noqa: B023
        means.append(draws.mean())
        errors.append(draws.std() / np.sqrt(2000))
    assert abs(means[0] - exact_elbo) < 4 * errors[0]
    assert (np.diff(means) > 3 * np.hypot(errors[:-1], errors[1:])).all()
    assert means[-1] < exact_log_evidence(model, datum()) + 4 * errors[-1]


@pytest.mark.parametrize("chunk_size", [1, 7, 50, 100])
def test_log_evidence_is_the_bound_with_the_same_draws_whatever_the_chunk(chunk_size):
    model, encode = random_model(), affine_encoder(encoder_params())
    args = (jax.random.key(4), encode, model.log_likelihood, datum())
    np.testing.assert_allclose(
        log_evidence(*args, num_samples=50, chunk_size=chunk_size),
        importance_weighted_elbo(*args, num_samples=50),
        rtol=1e-6,
    )


def test_log_evidence_approaches_the_evidence(x64):
    model = random_model(3)
    mean, log_var = optimal_encode(model, datum())
    value = log_evidence(jax.random.key(0), lambda x: (mean, log_var + 0.3), model.log_likelihood, datum())
    np.testing.assert_allclose(value, exact_log_evidence(model, datum()), atol=0.05)


def test_memory_does_not_grow_with_the_number_of_samples():
    model, encode = random_model(), affine_encoder(encoder_params())

    def memory(num_samples, estimate):
        program = jax.jit(
            lambda key: estimate(key, encode, model.log_likelihood, datum(), num_samples=num_samples)
        )
        return program.lower(jax.random.key(0)).compile().memory_analysis().temp_size_in_bytes

    few, many = (memory(n, log_evidence) for n in (500, 5000))
    assert many < 1.2 * few
    assert memory(5000, importance_weighted_elbo) > 5 * many


def test_log_mean_weight_averages_weights_and_survives_underflow():
    weights = lambda key: -1000.0 + jax.random.normal(key)
    key = jax.random.key(1)
    draws = np.array([weights(jax.random.fold_in(key, k)) for k in range(11)], np.float64)
    expected = np.logaddexp.reduce(draws) - np.log(11)
    np.testing.assert_allclose(
        log_mean_weight(key, weights, num_samples=11, chunk_size=4), expected, rtol=1e-6
    )


def test_the_encoder_makes_the_evidence_cheap():
    """The same number of samples from the prior and from the encoder: why a decoder alone is not enough."""
    model = random_model(2, num_dims=30)
    x = model.sample(jax.random.key(9), 1)[0]
    mean, log_var = optimal_encode(model, x)
    keys = jax.random.split(jax.random.key(0), 50)
    prior = lambda x: (jnp.zeros(2), jnp.zeros(2))
    errors = {}
    for name, encode in (("prior", prior), ("encoder", lambda x: (mean, log_var))):
        few = partial(log_evidence, num_samples=100)
        estimate = jax.jit(jax.vmap(lambda key: few(key, encode, model.log_likelihood, x)))(keys)  # noqa: B023
        errors[name] = np.sqrt(np.mean((estimate - exact_log_evidence(model, x)) ** 2))
    assert errors["prior"] > 5 * errors["encoder"]


def test_any_prior_enters_the_weights():
    encode = lambda x: (x, jnp.zeros_like(x))
    prior = lambda z: normal_log_prob(z, jnp.ones_like(z), jnp.zeros_like(z))
    likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    value = log_evidence(jax.random.key(0), encode, likelihood, jnp.zeros(1), log_prior=prior)
    exact = normal_log_prob(jnp.zeros(1), jnp.ones(1), jnp.full(1, jnp.log(2.0)))
    np.testing.assert_allclose(value, exact, atol=0.05)


@pytest.mark.parametrize("log_var", [-40.0, -30.0, -20.0])
@pytest.mark.parametrize("bound", [importance_weighted_elbo, log_evidence])
def test_a_narrow_posterior_far_from_zero_keeps_its_density(log_var, bound):
    # σ is below the spacing of numbers near the mean: z − μ says nothing of ε, but log q(z|x) is that of ε.
    encode = lambda x: (jnp.full(1, 1000.0), jnp.full(1, log_var))
    value = bound(
        jax.random.key(0),
        encode,
        lambda x, z: 0.0 * z[0],
        jnp.zeros(1),
        num_samples=7,
        log_prior=lambda z: 0.0 * z[0],
    )
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.arange(7))
    noise = np.asarray(jax.vmap(lambda k: jax.random.normal(k, ()))(keys), np.float64)
    log_q = -0.5 * (noise**2 + log_var + np.log(2 * np.pi))
    np.testing.assert_allclose(value, np.log(np.mean(np.exp(-log_q))), rtol=1e-6)


@pytest.mark.parametrize("log_w", [0.0, -1e4, 7.0])
def test_the_mean_of_equal_weights_is_that_weight(log_w):
    weight = lambda key: jnp.float32(log_w)
    assert log_mean_weight(jax.random.key(0), weight, num_samples=1001, chunk_size=100) == log_w
