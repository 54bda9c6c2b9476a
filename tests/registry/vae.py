"""The variational and the plain autoencoder."""

from functools import partial

import jax
import jax.numpy as jnp

from genjax import autoencoder, densities, vae

from .row import INTS, KEY, NAN, ONE, TWO, Row, normal


def encode(x):
    return 0.5 * x + 0.1, jnp.sin(x)


def lift(z):
    return jnp.tanh(z), 0.1 * z


def log_likelihood(x, z):
    return densities.normal_log_prob(x, jnp.tanh(z), 0.1 * x)


def log_joint(z):
    return densities.standard_normal_log_prob(z) - jnp.sum(jnp.cos(z))


def negative_elbo(x, **options):
    return vae.negative_elbo(KEY, encode, log_likelihood, x, **options)


def log_evidence(x, **options):
    return vae.log_evidence(KEY, encode, log_likelihood, x, **options)


ROWS = {
    "genjax.autoencoder.reconstruction_loss": Row(
        lambda x: autoencoder.reconstruction_loss(jnp.sin, log_likelihood, x), (normal(3),)
    ),
    "genjax.vae.active_units": Row(vae.active_units, (normal(6, 2),), gradient="none"),
    "genjax.vae.collapsed_units": Row(vae.collapsed_units, (normal(6, 2), normal(6, 2)), gradient="none"),
    "genjax.vae.doubly_reparameterized": Row(
        lambda *a: vae.doubly_reparameterized(log_joint, *a),
        (normal(2), normal(2), normal(3, 2)),
        gradient="estimator",
    ),
    "genjax.vae.elbo_terms": Row(
        lambda x, noise: vae.elbo_terms(encode, log_likelihood, x, noise), (normal(3), normal(3))
    ),
    "genjax.vae.hierarchical_elbo": Row(
        lambda key, x: vae.hierarchical_elbo(key, [encode, encode], [lift], log_likelihood, x),
        (KEY, normal(3)),
    ),
    "genjax.vae.hierarchical_elbo_terms": Row(
        lambda x, a, b: vae.hierarchical_elbo_terms([encode, encode], [lift], log_likelihood, x, [a, b]),
        (normal(3), normal(3), normal(3)),
    ),
    "genjax.vae.importance_weighted_elbo": Row(
        lambda key, x: vae.importance_weighted_elbo(key, encode, log_likelihood, x, num_samples=3),
        (KEY, normal(3)),
    ),
    "genjax.vae.log_evidence": Row(
        lambda key, x: vae.log_evidence(key, encode, log_likelihood, x, num_samples=5, chunk_size=2),
        (KEY, normal(3)),
    ),
    "genjax.vae.log_mean_weight": Row(
        lambda key, x: vae.log_mean_weight(
            key, lambda k: jnp.sum(x) * jax.random.normal(k, (), x.dtype), num_samples=5, chunk_size=2
        ),
        (KEY, normal(3)),
    ),
    "genjax.vae.negative_elbo": Row(
        lambda key, x: vae.negative_elbo(
            key, encode, log_likelihood, x, num_samples=2, beta=2.0, free_bits=0.01
        ),
        (KEY, normal(3)),
    ),
    "genjax.vae.pathwise": Row(lambda *a: vae.pathwise(log_joint, *a), (normal(2), normal(2), normal(3, 2))),
    "genjax.vae.reparameterize": Row(vae.reparameterize, (normal(3), normal(3), normal(3))),
    "genjax.vae.score_function": Row(
        lambda *a: vae.score_function(log_joint, *a),
        (normal(2), normal(2), normal(3, 2)),
        gradient="estimator",
    ),
    "genjax.vae.sticking_the_landing": Row(
        lambda *a: vae.sticking_the_landing(log_joint, *a),
        (normal(2), normal(2), normal(3, 2)),
        gradient="estimator",
    ),
    "genjax.vae.unit_kl": Row(vae.unit_kl, (normal(6, 2), normal(6, 2))),
}

RECORDS = {
    "genjax.vae.ElboTerms": "tests/vae/test_elbo.py",
    "genjax.vae.HierarchicalTerms": "tests/vae/test_hierarchical.py",
}

STRUCTURE = [
    (vae.reparameterize, (TWO, ONE, TWO), ValueError, r"mean \(2,\), log_var \(1,\), noise \(2,\)"),
    (
        partial(vae.elbo_terms, lambda x: (x, jnp.zeros(3)), log_likelihood),
        (TWO, TWO),
        ValueError,
        r"mean \(2,\), log_var \(3,\)",
    ),
    (partial(vae.elbo_terms, encode, log_likelihood), (TWO, jnp.zeros(3)), ValueError, r"noise \(3,\)"),
    (
        partial(vae.elbo_terms, encode, lambda x, z: x - z),
        (TWO, TWO),
        ValueError,
        r"log_likelihood\(x, z\) must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    (
        partial(vae.elbo_terms, lambda x: (INTS, INTS), log_likelihood),
        (TWO, TWO),
        TypeError,
        "mean must be floating point; got int32",
    ),
    (partial(negative_elbo, num_samples=0), (TWO,), ValueError, "num_samples must be at least 1; got 0"),
    (
        partial(negative_elbo, num_samples=2.0),
        (TWO,),
        TypeError,
        "num_samples must be a Python int; got float",
    ),
    (partial(negative_elbo, free_bits=-1.0), (TWO,), ValueError, "free_bits must not be negative; got -1.0"),
    (
        partial(negative_elbo, free_bits=1.0, log_prior=densities.standard_normal_log_prob),
        (TWO,),
        ValueError,
        "closed-form",
    ),
    (partial(log_evidence, chunk_size=0), (TWO,), ValueError, "chunk_size must be at least 1; got 0"),
    (
        lambda x: vae.negative_elbo(jax.random.split(KEY), encode, log_likelihood, x),
        (TWO,),
        ValueError,
        r"key must be one key, of shape \(\); got shape \(2,\)",
    ),
    (
        lambda x: vae.negative_elbo(jax.random.PRNGKey(0), encode, log_likelihood, x),
        (TWO,),
        TypeError,
        "key must be a typed key from jax.random.key; got uint32",
    ),
    (
        lambda x: vae.hierarchical_elbo_terms([encode], [encode], log_likelihood, x, [TWO]),
        (TWO,),
        ValueError,
        "got 1 encoders, 1 noises and 1 decoders",
    ),
    (vae.active_units, (TWO,), ValueError, r"means must be \[n, d\] with at least one row; got shape \(2,\)"),
    (vae.active_units, (jnp.zeros((0, 2)),), ValueError, r"got shape \(0, 2\)"),
]

VALUES = [
    (negative_elbo, (NAN,), "x must not be NaN"),
    (partial(vae.elbo_terms, encode, log_likelihood), (TWO, NAN), "noise must not be NaN"),
    (partial(vae.elbo_terms, lambda x: (x + NAN, TWO), log_likelihood), (TWO, TWO), "mean must not be NaN"),
    (partial(log_evidence, num_samples=3), (NAN,), "x must not be NaN"),
]
