"""The ELBO against the linear-Gaussian oracle: value and gradient, exactly, by Gauss–Hermite nodes as noise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import expectation
from genjax.autoencoder import reconstruction_loss
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.divergences import kl_standard_normal
from genjax.vae import ElboTerms, elbo_terms, negative_elbo, reparameterize

from .models import (
    affine_encoder,
    datum,
    encoder_params,
    exact_log_evidence,
    gauss_hermite,
    kl_to_posterior,
    random_model,
)


def exact_elbo(encode, model, x, **options):
    nodes, weights = gauss_hermite(2)
    terms = jax.vmap(partial(elbo_terms, encode, model.log_likelihood, x, **options))(nodes)
    return weights @ terms.elbo


def test_the_reference_draw(x64):
    mean, log_var = jnp.array([0.3, -0.5, 1.2]), jnp.array([-0.2, 0.1, -0.5])
    noise = jnp.array([0.49671415, -0.1382643, 0.64768854])
    x = jnp.array([1.0, 0.5, -0.3])
    z = reparameterize(mean, log_var, noise)
    np.testing.assert_allclose(z, [0.7494456, -0.6453533, 1.7044203], atol=1e-7)
    unnormalised = lambda x, z: -0.5 * jnp.sum((x - (0.8 * z + 0.1)) ** 2)
    gaussian = lambda x, z: normal_log_prob(x, 0.8 * z + 0.1, jnp.zeros(3))
    encode = lambda x: (mean, log_var)
    np.testing.assert_allclose(-unnormalised(x, z), 2.0199502, atol=1e-7)
    np.testing.assert_allclose(elbo_terms(encode, unnormalised, x, noise).elbo, -2.9751663, atol=1e-7)
    np.testing.assert_allclose(elbo_terms(encode, gaussian, x, noise).elbo, -5.7319820, atol=1e-7)
    z = reparameterize(jnp.array([0.5, -0.2]), jnp.array([0.0, -1.0]), jnp.array([0.1257302, -0.1321049]))
    np.testing.assert_allclose(z, [0.6257302, -0.2801257], atol=1e-7)


def test_reconstruction_minus_kl(x64):
    kl = kl_standard_normal(jnp.array([0.5, -0.2]), jnp.array([0.0, -1.0]))
    terms = ElboTerms(jnp.array(-1.25), kl)
    np.testing.assert_allclose(terms.elbo, -1.5789397, atol=1e-7)
    np.testing.assert_allclose(terms.rate + terms.distortion, -terms.elbo, rtol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_the_gap_is_the_kl_to_the_posterior(seed, x64):
    model, encode = random_model(seed), affine_encoder(encoder_params(seed))
    gap = exact_log_evidence(model, datum()) - exact_elbo(encode, model, datum())
    np.testing.assert_allclose(gap, kl_to_posterior(model, *encode(datum()), datum()), rtol=1e-11)
    assert gap > 0


def test_the_gap_in_float32_and_its_vanishing_at_the_posterior():
    model = random_model(orthogonal=True)
    assert model.weights.dtype == jnp.float32
    encode = affine_encoder(encoder_params())
    gap = exact_log_evidence(model, datum()) - exact_elbo(encode, model, datum())
    np.testing.assert_allclose(gap, kl_to_posterior(model, *encode(datum()), datum()), rtol=2e-6)
    gap = exact_log_evidence(model, datum()) - exact_elbo(model.optimal_encode, model, datum())
    np.testing.assert_allclose(gap, 0.0, atol=5e-6)


def test_at_the_posterior_every_single_draw_gives_the_evidence(x64):
    model = random_model(orthogonal=True)
    draws = jax.random.normal(jax.random.key(0), (20, 2))
    log_weight = lambda noise: (
        elbo_terms(
            model.optimal_encode, model.log_likelihood, datum(), noise, log_prior=standard_normal_log_prob
        ).elbo
    )
    np.testing.assert_allclose(
        jax.jit(jax.vmap(log_weight))(draws), exact_log_evidence(model, datum()), rtol=1e-12
    )


def test_the_gradient_is_that_of_the_closed_form_for_encoder_and_model(x64):
    model, params = random_model(1), encoder_params(2)

    def closed_form(params, model):
        return exact_log_evidence(model, datum()) - kl_to_posterior(
            model, *affine_encoder(params)(datum()), datum()
        )

    def quadrature(params, model):
        return exact_elbo(affine_encoder(params), model, datum())

    gradients = (jax.jit(jax.grad(f, (0, 1)))(params, model) for f in (quadrature, closed_form))
    for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_keyed_loss_is_the_exact_bound_within_its_standard_error(x64):
    model, params = random_model(), encoder_params()
    x = model.sample(jax.random.key(7), 3)
    keys = jax.random.split(jax.random.key(0), 4000)

    def loss(params, key):
        encode = affine_encoder(params)
        return expectation(negative_elbo, encode, model.log_likelihood)(key, x)

    def exact(params):
        return -jnp.mean(jax.vmap(partial(exact_elbo, affine_encoder(params), model))(x))

    draws, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))(params, keys)
    value, gradient = jax.jit(jax.value_and_grad(exact))(params)
    gradients = jax.tree.map(np.asarray, gradients)
    assert abs(draws.mean() - value) < 4 * draws.std() / np.sqrt(4000)
    for g, e in zip(*map(jax.tree.leaves, (gradients, gradient)), strict=True):
        assert (np.abs(g.mean(0) - e) <= 4 * g.std(0) / np.sqrt(4000) + 1e-12).all()


def test_a_prior_given_as_a_function_is_the_closed_form_in_expectation(x64):
    model, encode = random_model(), affine_encoder(encoder_params())
    np.testing.assert_allclose(
        exact_elbo(encode, model, datum(), log_prior=standard_normal_log_prob),
        exact_elbo(encode, model, datum()),
        rtol=1e-12,
    )
    # A prior moved to the posterior mean costs less there: log p(z) enters with its own mean.
    mean, log_var = encode(datum())
    moved = partial(normal_log_prob, mean=mean, log_var=log_var)
    nodes, weights = gauss_hermite(2)
    terms = jax.vmap(partial(elbo_terms, encode, model.log_likelihood, datum(), log_prior=moved))(nodes)
    np.testing.assert_allclose(weights @ terms.kl, 0.0, atol=1e-12)


def test_more_samples_average_draws_and_leave_the_kl():
    model, encode = random_model(), affine_encoder(encoder_params())
    key = jax.random.key(3)
    many = negative_elbo(key, encode, model.log_likelihood, datum(), num_samples=5)
    noise = [jax.random.normal(jax.random.fold_in(key, k), (2,)) for k in range(5)]
    draws = [elbo_terms(encode, model.log_likelihood, datum(), e) for e in noise]
    np.testing.assert_allclose(many, -np.mean([d.elbo for d in draws]), rtol=1e-6)


def test_beta_weighs_the_kl_and_free_bits_bound_each_coordinate():
    model, encode = random_model(), affine_encoder(encoder_params())
    key = jax.random.key(3)
    loss = partial(negative_elbo, key, encode, model.log_likelihood, datum())
    mean, log_var = encode(datum())
    kl_j = jax.vmap(kl_standard_normal)(mean, log_var)
    np.testing.assert_allclose(loss(beta=3.0) - loss(beta=1.0), 2 * kl_j.sum(), rtol=1e-5)
    assert loss(beta=jnp.array(1.0)) == loss()
    between = float(kl_j.mean())
    assert kl_j.min() < between < kl_j.max()
    added = loss(free_bits=between) - loss()
    np.testing.assert_allclose(added, between - kl_j.min(), rtol=1e-4)


def test_free_bits_stop_the_gradient_of_a_coordinate_below_them():
    mean, log_var = jnp.array([0.1, 2.0]), jnp.array([0.0, 0.0])
    flat = lambda x, z: jnp.zeros(())
    gradient = jax.grad(
        lambda m: negative_elbo(jax.random.key(0), lambda x: (m, log_var), flat, datum(), free_bits=0.5)
    )(mean)
    np.testing.assert_allclose(gradient, [0.0, 2.0])


def test_an_autoencoder_is_the_vae_whose_posterior_is_a_point():
    model = random_model()
    code = lambda x: 0.3 * x[:2]
    point = lambda x: (code(x), jnp.full(2, -60.0))
    distortion = elbo_terms(point, model.log_likelihood, datum(), jnp.ones(2)).distortion
    np.testing.assert_allclose(
        reconstruction_loss(code, model.log_likelihood, datum()), distortion, rtol=1e-6
    )


def test_maximum_likelihood_by_gradient_descent_recovers_a_density():
    x = 1.5 + 0.6 * jax.random.normal(jax.random.key(0), (2000, 1))

    def nll(params):
        return -jnp.mean(jax.vmap(lambda x: normal_log_prob(x, params["mean"], params["log_var"]))(x))

    def step(params, _):
        return jax.tree.map(lambda p, g: p - 0.2 * g, params, jax.grad(nll)(params)), None

    params, _ = jax.lax.scan(step, {"mean": jnp.zeros(1), "log_var": jnp.zeros(1)}, length=300)
    x = np.asarray(x)
    np.testing.assert_allclose(params["mean"], x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(np.exp(params["log_var"]), x.var(0), rtol=1e-4)
    standard_error = 0.6 / np.sqrt(2000)
    assert abs(params["mean"][0] - 1.5) < 4 * standard_error
