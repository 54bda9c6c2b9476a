"""Densities, divergences, batching, likelihood, transport and structures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import genjax
from genjax import densities, divergences, transport, vae

from .row import INTS, KEY, NAN, ONE, RNG, TWO, Row, covariance, normal
from .vae import encode, log_likelihood

GRID = np.linspace(-1, 1, 17)[[0, 3, 9, 16]]

ROWS = {
    "genjax.batching.expectation": Row(
        lambda key, x: genjax.expectation(vae.negative_elbo, encode, log_likelihood)(key, x),
        (KEY, normal(4, 3)),
    ),
    "genjax.batching.per_example": Row(
        lambda key, x: genjax.per_example(vae.negative_elbo, encode, log_likelihood)(key, x),
        (KEY, normal(4, 3)),
    ),
    "genjax.densities.bernoulli_log_prob": Row(
        lambda logits: densities.bernoulli_log_prob(jnp.array([0, 1, 1]), logits), (normal(3),)
    ),
    "genjax.densities.categorical_log_prob": Row(
        lambda logits: densities.categorical_log_prob(jnp.array([0, 2]), logits), (normal(2, 3),)
    ),
    "genjax.densities.continuous_bernoulli_log_prob": Row(
        densities.continuous_bernoulli_log_prob, (RNG.uniform(0.1, 0.9, 4), np.array([-3.0, 0.01, 0.5, 2.0]))
    ),
    "genjax.densities.discretized_logistic_log_prob": Row(
        lambda mean, log_scale: densities.discretized_logistic_log_prob(
            jnp.asarray(GRID, mean.dtype), mean, log_scale, num_levels=17
        ),
        (normal(4), normal(4) - 1),
        bfloat16=False,
    ),
    "genjax.densities.discretized_logistic_mixture_log_prob": Row(
        lambda logits, mean, log_scale: densities.discretized_logistic_mixture_log_prob(
            jnp.asarray(GRID, mean.dtype), logits, mean, log_scale, num_levels=17
        ),
        (normal(4, 2), normal(4, 2), normal(4, 2) - 1),
        bfloat16=False,
    ),
    "genjax.densities.discretized_normal_log_prob": Row(
        lambda mean, log_var: densities.discretized_normal_log_prob(
            jnp.asarray(GRID, mean.dtype), mean, log_var, num_levels=17
        ),
        (normal(4), normal(4) - 1),
        bfloat16=False,
    ),
    "genjax.densities.mixture_log_prob": Row(
        lambda x, logits, means, log_vars: densities.mixture_log_prob(
            densities.normal_log_prob, x, logits, means, log_vars
        ),
        (normal(3), normal(2), normal(2, 3), normal(2, 3)),
    ),
    "genjax.densities.normal_log_prob": Row(densities.normal_log_prob, (normal(3), normal(3), normal(3))),
    "genjax.densities.standard_normal_log_prob": Row(densities.standard_normal_log_prob, (normal(3),)),
    "genjax.divergences.gaussian_frechet_distance": Row(
        lambda m, a, n, b: divergences.gaussian_frechet_distance(m, (a + a.T) / 2, n, (b + b.T) / 2),
        (normal(3), covariance(3), normal(3), covariance(3)),
        bfloat16=False,
    ),
    "genjax.divergences.js_categorical": Row(
        lambda p, q: divergences.js_categorical(jax.nn.softmax(p), jax.nn.softmax(q)), (normal(4), normal(4))
    ),
    "genjax.divergences.kl_categorical": Row(
        lambda p, q: divergences.kl_categorical(jax.nn.softmax(p), jax.nn.softmax(q)), (normal(4), normal(4))
    ),
    "genjax.divergences.kl_normal": Row(divergences.kl_normal, (normal(3), normal(3), normal(3), normal(3))),
    "genjax.divergences.kl_standard_normal": Row(divergences.kl_standard_normal, (normal(3), normal(3))),
    "genjax.likelihood.bits_per_dim": Row(lambda nll: genjax.bits_per_dim(nll, 64), (np.array(3.0),)),
    "genjax.likelihood.dequantize": Row(
        lambda noise: genjax.dequantize(jnp.array([0, 200]), noise), (np.array([0.25, 0.75]),), bfloat16=False
    ),
    "genjax.transport.carry": Row(
        lambda a, x: transport.carry(lambda x, t: a * jnp.sin(x), x, start=0.0, end=1.0, num_steps=8)[:2],
        (np.array(0.7), normal(3)),
        bfloat16=False,
    ),
    "genjax.transport.divergence": Row(
        lambda a, x, t: transport.divergence(lambda x, t: a * t * jnp.sin(x), x, t),
        (np.array(0.7), normal(3), np.array(0.4)),
    ),
    "genjax.transport.hutchinson_divergence": Row(
        lambda a, x, t, e: transport.hutchinson_divergence(lambda x, t: a * t * jnp.sin(x), x, t, e),
        (np.array(0.7), normal(3), np.array(0.4), normal(3)),
    ),
    "genjax.transport.integrate": Row(
        lambda a, x: (
            transport.integrate(
                lambda x, t: a * jnp.sin(x), x, start=0.0, end=1.0, num_steps=8, times=[0.3, 1.0]
            ).x
        ),
        (np.array(0.7), normal(3)),
        bfloat16=False,
        slow=True,
    ),
    "genjax.structures.Bound": Row(lambda w, x: genjax.Bound(w, jnp.dot)(x), (normal(3), normal(3))),
}

RECORDS = {
    "genjax.likelihood.Kind": "tests/test_likelihood.py",
    "genjax.likelihood.Likelihood": "tests/test_likelihood.py",
    "genjax.transport.Carried": "tests/test_transport.py",
    "genjax.transport.Integrated": "tests/test_transport.py",
    "genjax.checked": "tests/test_checks.py",
}

STRUCTURE = [
    (densities.normal_log_prob, (TWO, ONE, TWO), ValueError, r"x \(2,\), mean \(1,\)"),
    (densities.normal_log_prob, (TWO, TWO, ONE), ValueError, r"x \(2,\), log_var \(1,\)"),
    (densities.normal_log_prob, (INTS, TWO, TWO), TypeError, "x must be floating point; got int32"),
    (densities.bernoulli_log_prob, (TWO, ONE), ValueError, r"x \(2,\), logits \(1,\)"),
    (densities.categorical_log_prob, (TWO, jnp.zeros((2, 3))), TypeError, "x must be integer; got float32"),
    (densities.categorical_log_prob, (INTS, jnp.zeros((3, 2))), ValueError, r"x \(2,\), logits \(3, 2\)"),
    (densities.discretized_logistic_log_prob, (TWO, TWO, ONE), ValueError, r"log_scale \(1,\)"),
    (densities.discretized_normal_log_prob, (TWO, TWO, ONE), ValueError, r"log_var \(1,\)"),
    (
        partial(densities.discretized_logistic_log_prob, num_levels=1),
        (TWO, TWO, TWO),
        ValueError,
        "num_levels must be at least 2; got 1",
    ),
    (
        partial(densities.mixture_log_prob, densities.normal_log_prob),
        (TWO, jnp.zeros(3), jnp.zeros((2, 2)), jnp.zeros((2, 2))),
        ValueError,
        r"logits \(3,\), parameters \(2, 2\), \(2, 2\)",
    ),
    (divergences.kl_standard_normal, (TWO, ONE), ValueError, r"mean \(2,\), log_var \(1,\)"),
    (divergences.kl_normal, (TWO, TWO, TWO, ONE), ValueError, r"log_var_p \(1,\)"),
    (
        divergences.gaussian_frechet_distance,
        (TWO, jnp.eye(3), TWO, jnp.eye(3)),
        ValueError,
        r"mean_a \(2,\), cov_a \(3, 3\)",
    ),
]

VALUES = [
    (densities.normal_log_prob, (NAN, TWO, TWO), "x must not be NaN; got nan at flat position 1"),
    (densities.normal_log_prob, (TWO, TWO, NAN), "log_var must not be NaN"),
    (densities.standard_normal_log_prob, (NAN,), "x must not be NaN"),
    (
        densities.bernoulli_log_prob,
        (jnp.array([0.5, 1.0]), TWO),
        "x must be 0 or 1; got 0.5 at flat position 0",
    ),
    (densities.bernoulli_log_prob, (INTS, NAN), "logits must not be NaN"),
    (
        densities.continuous_bernoulli_log_prob,
        (jnp.array([0.5, 1.5]), TWO),
        r"x must lie in \[0, 1\]; got 1.5 at flat position 1",
    ),
    (densities.categorical_log_prob, (jnp.array(3), jnp.zeros(3)), r"x must lie in 0\.\.2; got 3"),
    (densities.categorical_log_prob, (jnp.array(-1), jnp.zeros(3)), r"x must lie in 0\.\.2; got -1"),
    (
        densities.discretized_logistic_log_prob,
        (jnp.array([0.0]), ONE, ONE),
        r"x must lie on the grid of 256 levels in \[-1, 1\]; got 0.0",
    ),
    (
        partial(densities.discretized_normal_log_prob, num_levels=3),
        (jnp.array([0.5]), ONE, ONE),
        r"x must lie on the grid of 3 levels in \[-1, 1\]; got 0.5",
    ),
    (divergences.kl_standard_normal, (NAN, TWO), "mean must not be NaN"),
    (divergences.kl_categorical, (jnp.array([1.5, -0.5]), jnp.array([0.5, 0.5])), "p must not be negative"),
    (
        divergences.kl_categorical,
        (jnp.array([0.5, 0.5]), jnp.array([0.5, 1.0])),
        "the sum of q must be 1; got 1.5",
    ),
    (divergences.js_categorical, (jnp.array([0.5, 0.6]), jnp.array([0.5, 0.5])), "the sum of p must be 1"),
    (partial(genjax.bits_per_dim, num_dims=3), (jnp.array(jnp.nan),), "nll must not be NaN"),
]
