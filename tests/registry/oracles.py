"""Oracles."""

import jax
import jax.numpy as jnp
import numpy as np

from genjax import diffusion, gan, oracles

from .row import INTS, NAN, Row, covariance, normal


def autoregressive_table(first, second):
    table = oracles.AutoregressiveTable((first, second))
    return table.log_probs(), table.log_prob(jnp.array([1, 2])), table.logits_fn(jnp.array([1, 2]))


def discrete_gan(data, logits, model):
    oracle = oracles.DiscreteGan(jax.nn.softmax(data))
    q = jax.nn.softmax(model)
    return (
        oracle.losses(gan.non_saturating, logits, q),
        oracle.optimal_logits(q),
        oracle.value_at_optimum(q),
        oracle.velocity(gan.relativistic, logits, model),
    )


def linear_gaussian(weights, bias, log_var, x, mean, encoder_log_var):
    model = oracles.LinearGaussian(weights, bias, log_var)
    return (
        model.log_evidence(x),
        model.posterior(x),
        model.optimal_encode(x),
        model.log_likelihood(x, mean),
        model.kl_to_posterior(mean, encoder_log_var, x),
    )


def enumerable(energies):
    model, x = oracles.EnumerableEnergy(energies), jnp.array([1, 2])
    return model.energy(x), model.log_prob(x), model.log_partition(), model.probabilities(), model.moments()


def gaussian_mixture(logits, means, covs, x):
    covs = (covs + covs.swapaxes(1, 2)) / 2
    mixture = oracles.GaussianMixture(jax.nn.softmax(logits), means, covs)
    schedule = diffusion.variance_preserving()
    best = [mixture.predict(schedule, kind)(x, jnp.asarray(0.3, x.dtype)) for kind in diffusion.Prediction]
    return mixture.log_prob(x), mixture.score(x), best


TABLE = oracles.AutoregressiveTable((jnp.zeros(3), jnp.zeros((3, 3))))

ROWS = {
    "genjax.oracles.AutoregressiveTable": Row(autoregressive_table, (normal(3), normal(3, 3))),
    "genjax.oracles.DiscreteGan": Row(discrete_gan, (normal(3), normal(3), normal(3))),
    "genjax.oracles.EnumerableEnergy": Row(enumerable, (normal(2, 3),)),
    "genjax.oracles.GaussianMixture": Row(
        gaussian_mixture,
        (normal(2), normal(2, 3), np.stack([covariance(3), covariance(3)]), normal(3)),
        bfloat16=False,
    ),
    "genjax.oracles.LinearGaussian": Row(
        linear_gaussian, (normal(4, 2), normal(4), normal(4), normal(4), normal(2), normal(2)), bfloat16=False
    ),
}

RECORDS = {
    "genjax.oracles.PlayerLosses": "tests/gan/test_gradient_play.py",
    "genjax.oracles.SamplerReport": "tests/diffusion/test_sampling.py",
    "genjax.oracles.check_sampler": "tests/diffusion/test_sampling.py",
}

STRUCTURE = [
    (
        lambda p: oracles.DiscreteGan(p).losses(gan.minimax, jnp.zeros(3), p),
        (jnp.ones(2) / 2,),
        ValueError,
        r"p_data \(2,\), logits \(3,\), p_model \(2,\)",
    ),
    (TABLE.log_prob, (jnp.zeros(3, int),), ValueError, r"x must have shape \(2,\); got \(3,\)"),
    (
        oracles.AutoregressiveTable((jnp.zeros(3), jnp.zeros((2, 3)))).logits_fn,
        (INTS,),
        ValueError,
        r"\(K,\), \(K, K\), \(K, K, K\), …; got \(3,\), \(2, 3\)",
    ),
]

VALUES = [
    (TABLE.log_prob, (jnp.array([0, 3]),), r"x must lie in 0\.\.2; got 3 at flat position 1"),
    (
        lambda first: oracles.AutoregressiveTable((first, jnp.zeros((2, 2)))).log_probs(),
        (NAN,),
        r"logits\[0\] must not be NaN",
    ),
]
