"""One row for every public function of floors 0 to 2: how the battery in test_registry calls it.

A row gives a call on arrays alone (callables and options are bound in it) and example arrays. Floating arrays
stand in NumPy float64 and are cast to each dtype of the battery; keys and integers pass as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import genjax
from genjax import (
    autoencoder,
    autoregressive,
    densities,
    divergences,
    energy,
    flow,
    metrics,
    oracles,
    transport,
    vae,
)

RNG = np.random.default_rng(42)


@dataclass(frozen=True)
class Row:
    """How to call one public function.

    Args:
        call: a function of arrays alone.
        args: example arguments.
        gradient: "exact" where jax.grad is the derivative (compared with finite differences), "estimator" where it
            is meant to differ from it, "none" where the value is not differentiable.
        bfloat16: whether bfloat16 is accepted; else it must be refused by TypeError.
    """

    call: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: str = "exact"
    bfloat16: bool = True


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) * 0.5


def simplex(n: int) -> np.ndarray:
    return RNG.dirichlet(np.ones(n))


def covariance(d: int) -> np.ndarray:
    factor = RNG.normal(size=(d, d))
    return factor @ factor.T / d + 0.5 * np.eye(d)


def encode(x):
    return 0.5 * x + 0.1, jnp.sin(x)


def lift(z):
    return jnp.tanh(z), 0.1 * z


def log_likelihood(x, z):
    return densities.normal_log_prob(x, jnp.tanh(z), 0.1 * x)


def log_joint(z):
    return densities.standard_normal_log_prob(z) - jnp.sum(jnp.cos(z))


def causal_logits(table):
    """A causal network of one parameter array [n, K]: row i sees the running sum of the levels before it."""
    before = lambda x: jnp.cumsum(x) - x
    return lambda x: table * (1 + before(x).astype(table.dtype))[:, None]


def cached_logits(table):
    """The same network, one position at a time."""

    def step(total, token, position):
        total = total + token
        return total, table[position] * (1 + total.astype(table.dtype))

    return step


def autoregressive_table(first, second):
    table = oracles.AutoregressiveTable((first, second))
    return table.log_probs(), table.log_prob(jnp.array([1, 2])), table.logits_fn(jnp.array([1, 2]))


def linear_gaussian(weights, bias, log_var, x, mean, encoder_log_var):
    model = oracles.LinearGaussian(weights, bias, log_var)
    return (
        model.log_evidence(x),
        model.posterior(x),
        model.optimal_encode(x),
        model.log_likelihood(x, mean),
        model.kl_to_posterior(mean, encoder_log_var, x),
    )


def both_ways(bijector, z):
    """A bijector's maps and log-determinants at one point, taken as noise and as data."""
    return bijector.forward(z), bijector.inverse(z)


def damped(rate, x, t):
    """A velocity field."""
    return rate * jnp.sin(x) * (1 + t)


def from_first(weight, x, *context):
    """A conditioner of two coordinates that reads the first, or the context."""
    source = context[0] if context else x[0]
    return jnp.outer(jnp.stack([jnp.zeros_like(source), jnp.sin(source)]), weight)


def quadratic(theta):
    return lambda x: 0.5 * jnp.sum(theta * (x - 0.3) ** 2)


def annealing_path(theta):
    """The path from N(0, 1/θ) to the quadratic energy, and a draw of it that depends on nothing but its key."""
    path = energy.geometric_path(lambda x: 0.5 * jnp.sum(theta * x**2), quadratic(theta))
    return path, lambda key, x, beta: jax.random.normal(key, x.shape, x.dtype)


def boltzmann(weights, visible_bias, hidden_bias):
    rbm = energy.RestrictedBoltzmann(weights, visible_bias, hidden_bias)
    v, h = jnp.array([1, 0, 1]), jnp.array([0, 1])
    path = rbm.tempered(0.3, jnp.sin(visible_bias))
    return rbm.energy(v, h), rbm.free_energy(v), rbm.log_partition(), path.log_prob(v)


def enumerable(energies):
    model, x = oracles.EnumerableEnergy(energies), jnp.array([1, 2])
    return model.energy(x), model.log_prob(x), model.log_partition(), model.probabilities(), model.moments()


def gaussian_mixture(logits, means, covs, x):
    covs = (covs + covs.swapaxes(1, 2)) / 2
    mixture = oracles.GaussianMixture(jax.nn.softmax(logits), means, covs)
    return mixture.log_prob(x), mixture.score(x)


KEY = jax.random.key(0)
FIRST = (True, False)
GRID = np.linspace(-1, 1, 17)[[0, 3, 9, 16]]

ROWS = {
    "genjax.autoencoder.reconstruction_loss": Row(
        lambda x: autoencoder.reconstruction_loss(jnp.sin, log_likelihood, x), (normal(3),)
    ),
    "genjax.autoregressive.bayes_rule": Row(
        lambda log_likelihoods, log_prior: autoregressive.bayes_rule(
            lambda x, y: log_likelihoods[y], jnp.zeros(2, int), jax.nn.log_softmax(log_prior)
        ),
        (normal(3), normal(3)),
    ),
    "genjax.autoregressive.cached_sample": Row(
        lambda key, table: autoregressive.cached_sample(key, cached_logits(table), jnp.array(0), 4),
        (KEY, normal(4, 3)),
        gradient="none",
    ),
    "genjax.autoregressive.ensemble_log_prob": Row(
        lambda *tables: autoregressive.ensemble_log_prob(
            [causal_logits(table) for table in tables], jnp.array([2, 0, 1, 1])
        ),
        (normal(4, 3), normal(4, 3)),
    ),
    "genjax.autoregressive.log_prob": Row(
        lambda table: autoregressive.log_prob(causal_logits(table), jnp.array([2, 0, 1, 1])), (normal(4, 3),)
    ),
    "genjax.autoregressive.negative_log_likelihood": Row(
        lambda table: autoregressive.negative_log_likelihood(
            causal_logits(table), jnp.array([2, 0, 1, 1], jnp.uint8)
        ),
        (normal(4, 3),),
    ),
    "genjax.autoregressive.reordered": Row(
        lambda table: autoregressive.reordered(causal_logits(table), (2, 0, 3, 1))(jnp.array([2, 0, 1, 1])),
        (normal(4, 3),),
    ),
    "genjax.autoregressive.sample": Row(
        lambda key, table: autoregressive.sample(key, causal_logits(table), 4),
        (KEY, normal(4, 3)),
        gradient="none",
    ),
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
    "genjax.flow.ActNorm": Row(
        lambda s, t, z: both_ways(flow.ActNorm(s, t), z), (normal(2), normal(2), normal(2, 3, 2))
    ),
    "genjax.flow.Affine": Row(
        lambda s, t, z: both_ways(flow.Affine(s, t), z), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.Chain": Row(
        lambda s, t, z: both_ways(flow.Chain((flow.Affine(s, t), flow.Permutation((2, 0, 1)))), z),
        (normal(3), normal(3), normal(3)),
    ),
    "genjax.flow.Conditional": Row(
        lambda w, c, z: both_ways(
            flow.given(flow.Coupling(flow.Conditional(genjax.Bound(w, from_first)), flow.affine, FIRST), c), z
        ),
        (normal(2), np.array(0.7), normal(2)),
    ),
    "genjax.flow.ContinuousFlow": Row(
        lambda a, z: flow.ContinuousFlow(genjax.Bound(a, damped), num_steps=8).forward(z),
        (np.array(0.7), normal(3)),
        bfloat16=False,
    ),
    "genjax.flow.Coupling": Row(
        lambda w, z: both_ways(flow.Coupling(genjax.Bound(w, from_first), flow.affine, FIRST), z),
        (normal(2), normal(2)),
    ),
    "genjax.flow.Fixed": Row(
        lambda s, z: both_ways(flow.Fixed(flow.Affine(s, s)), z), (normal(3), normal(3)), gradient="estimator"
    ),
    "genjax.flow.Invert": Row(
        lambda s, t, z: both_ways(flow.Invert(flow.Affine(s, t)), z), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.InvertibleLinear": Row(
        lambda low, up, d, z: both_ways(flow.InvertibleLinear(low, up, d, (1, -1, 1), (1, 2, 0)), z),
        (normal(3, 3), normal(3, 3), normal(3), normal(2, 2, 3)),
        bfloat16=False,
    ),
    "genjax.flow.Logit": Row(lambda z: flow.Logit(0.05).forward(z), (RNG.uniform(0.1, 0.9, 3),)),
    "genjax.flow.MaskedAutoregressive": Row(
        lambda w, z: both_ways(flow.MaskedAutoregressive(genjax.Bound(w, from_first), flow.affine), z),
        (normal(2), normal(2)),
    ),
    "genjax.flow.Permutation": Row(lambda z: both_ways(flow.Permutation((2, 0, 1)), z**2), (normal(3),)),
    "genjax.flow.RationalQuadraticSpline": Row(
        lambda raw, z: both_ways(flow.RationalQuadraticSpline(raw), z),
        (normal(3, 8), np.array([-4.0, 0.3, 1.2])),
        bfloat16=False,
    ),
    "genjax.flow.Sigmoid": Row(flow.Sigmoid(0.05).forward, (normal(3),)),
    "genjax.flow.Split": Row(
        lambda s, z: both_ways(flow.Split(flow.Affine(s, s)), z), (normal(2), normal(4))
    ),
    "genjax.flow.Squeeze": Row(lambda z: flow.Squeeze().forward(z**2), (normal(2, 4, 1),)),
    "genjax.flow.affine": Row(lambda raw, z: both_ways(flow.affine(raw), z), (normal(3, 2), normal(3))),
    "genjax.flow.fit_actnorm": Row(
        lambda s, x: flow.fit_actnorm(flow.ActNorm(s, s), x), (normal(2), normal(8, 2))
    ),
    "genjax.flow.given": Row(
        lambda w, c: flow.given(flow.Conditional(genjax.Bound(w, from_first)), c)(c),
        (normal(2), np.array(0.7)),
    ),
    "genjax.flow.log_prob": Row(
        lambda s, t, x: flow.log_prob(flow.Affine(s, t), x), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.negative_log_likelihood": Row(
        lambda s, t, x: flow.negative_log_likelihood(flow.Affine(s, t), x), (normal(3), normal(3), normal(3))
    ),
    "genjax.flow.rational_quadratic_spline": Row(
        flow.rational_quadratic_spline,
        (
            np.array([-4.0, 0.3]),
            RNG.uniform(1, 2, (2, 3)),
            RNG.uniform(1, 2, (2, 3)),
            RNG.uniform(1, 2, (2, 4)),
        ),
        bfloat16=False,
    ),
    "genjax.flow.reverse_kl": Row(
        lambda key, s: flow.reverse_kl(key, flow.Affine(s, s), lambda x: -jnp.sum(x**4), shape=(3,)),
        (KEY, normal(3)),
    ),
    "genjax.flow.reverse_kl_integrand": Row(
        lambda s, z: flow.reverse_kl_integrand(flow.Affine(s, s), lambda x: -jnp.sum(x**4), z),
        (normal(3), normal(3)),
    ),
    "genjax.energy.ReplayBuffer": Row(
        lambda key, chains, x: energy.ReplayBuffer(chains).draw(key, x)[1],
        (KEY, normal(4, 2), normal(3, 2)),
    ),
    "genjax.energy.RestrictedBoltzmann": Row(boltzmann, (normal(3, 2), normal(3), normal(2)), bfloat16=False),
    "genjax.energy.annealed_bracket": Row(
        lambda key, theta, x, y: energy.annealed_bracket(
            key, *annealing_path(theta), x, y, jnp.array([0, 0.5, 1], x.dtype), base_log_z=0.0
        ),
        (KEY, np.array([1.0, 2.0]), normal(3, 2), normal(3, 2)),
        bfloat16=False,
    ),
    "genjax.energy.annealed_importance_sampling": Row(
        lambda key, theta, x, betas: energy.annealed_importance_sampling(
            key, *annealing_path(theta), x, betas
        ),
        (KEY, np.array([1.0, 2.0]), normal(3, 2), np.array([0.1, 0.5, 0.9])),
        bfloat16=False,
    ),
    "genjax.energy.base_rate_logits": Row(
        lambda v: energy.base_rate_logits((v > 0).astype(v.dtype)), (normal(5, 3),), gradient="none"
    ),
    "genjax.energy.boltzmann_bracket": Row(
        lambda key, weights, b, a, base_bias, betas: energy.boltzmann_bracket(
            key,
            energy.RestrictedBoltzmann(weights, b, a),
            base_bias,
            (betas - betas[0]) / (betas[-1] - betas[0]),
            num_chains=4,
        ),
        (KEY, normal(3, 2), normal(3), normal(2), normal(3), np.linspace(0.0, 2.0, 5)),
        gradient="none",
        bfloat16=False,
    ),
    "genjax.energy.contrastive_divergence": Row(
        lambda theta, x, y: energy.contrastive_divergence(quadratic(theta), x, y),
        (normal(3), normal(3), normal(3)),
        gradient="estimator",
    ),
    "genjax.energy.geometric_path": Row(
        lambda theta, x, beta: annealing_path(theta)[0](x, beta), (normal(3), normal(3), np.array(0.3))
    ),
    "genjax.energy.log_partition_enumeration": Row(
        lambda theta, states: energy.log_partition_enumeration(quadratic(theta), states, chunk_size=4),
        (normal(2), normal(6, 2)),
    ),
    "genjax.energy.log_partition_quadrature": Row(
        lambda theta, lower, upper: energy.log_partition_quadrature(
            quadratic(theta), lower, upper, num_points=9, chunk_size=40
        ),
        (np.array([1.0, 2.0]), np.array([-3.0, -2.0]), np.array([2.5, 3.0])),
        bfloat16=False,
    ),
    "genjax.energy.metropolis_langevin": Row(
        lambda key, theta, x, eta: energy.metropolis_langevin(
            key, quadratic(theta), x, step_size=eta, num_steps=2
        ),
        (KEY, np.array([1.0, 2.0]), normal(2), np.array(0.1)),
    ),
    "genjax.energy.noise_contrastive_estimation": Row(
        lambda theta, log_z, x, y: energy.noise_contrastive_estimation(
            quadratic(theta), densities.standard_normal_log_prob, log_z, x, y
        ),
        (normal(3), np.array(0.4), normal(3), normal(2, 3)),
    ),
    "genjax.likelihood.bits_per_dim": Row(lambda nll: genjax.bits_per_dim(nll, 64), (np.array(3.0),)),
    "genjax.likelihood.dequantize": Row(
        lambda noise: genjax.dequantize(jnp.array([0, 200]), noise), (np.array([0.25, 0.75]),)
    ),
    "genjax.metrics.diversity": Row(metrics.diversity, (normal(6, 2),)),
    "genjax.metrics.frechet_distance": Row(
        metrics.frechet_distance, (normal(8, 2), normal(9, 2) + 1), bfloat16=False
    ),
    "genjax.metrics.mode_coverage": Row(
        lambda samples, centers: metrics.mode_coverage(samples, centers, std=0.2),
        (normal(8, 2), normal(3, 2)),
        gradient="none",
    ),
    "genjax.metrics.precision_recall": Row(
        lambda real, fake: metrics.precision_recall(real, fake, k=2),
        (normal(8, 2), normal(6, 2)),
        gradient="none",
    ),
    "genjax.oracles.AutoregressiveTable": Row(autoregressive_table, (normal(3), normal(3, 3))),
    "genjax.oracles.EnumerableEnergy": Row(enumerable, (normal(2, 3),)),
    "genjax.oracles.GaussianMixture": Row(
        gaussian_mixture,
        (normal(2), normal(2, 3), np.stack([covariance(3), covariance(3)]), normal(3)),
        bfloat16=False,
    ),
    "genjax.oracles.LinearGaussian": Row(
        linear_gaussian, (normal(4, 2), normal(4), normal(4), normal(4), normal(2), normal(2)), bfloat16=False
    ),
    "genjax.transport.carry": Row(
        lambda a, x: transport.carry(lambda x, t: a * jnp.sin(x), x, start=0.0, end=1.0, num_steps=8),
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
    "genjax.structures.Bound": Row(lambda w, x: genjax.Bound(w, jnp.dot)(x), (normal(3), normal(3))),
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

# Records and wrappers that hold no mathematics of their own, each with the test that covers it.
RECORDS = {
    "genjax.autoregressive.ClassLogProbs": "tests/autoregressive/test_classes.py",
    "genjax.autoregressive.assert_causal": "tests/autoregressive/test_causality.py",
    "genjax.autoregressive.made_masks": "tests/autoregressive/test_masks.py",
    "genjax.autoregressive.random_degrees": "tests/autoregressive/test_masks.py",
    "genjax.autoregressive.sequential_degrees": "tests/autoregressive/test_masks.py",
    "genjax.flow.Bijector": "tests/flow/test_bijectors.py",
    "genjax.flow.CheckReport": "tests/flow/test_diagnostics.py",
    "genjax.flow.channel_mask": "tests/flow/test_structure.py",
    "genjax.flow.check": "tests/flow/test_diagnostics.py",
    "genjax.flow.checkerboard_mask": "tests/flow/test_structure.py",
    "genjax.flow.invertible_linear": "tests/flow/test_structure.py",
    "genjax.energy.AnnealedRun": "tests/energy/test_annealing.py",
    "genjax.energy.Bracket": "tests/energy/test_annealing.py",
    "genjax.energy.LogPartition": "tests/energy/test_partition.py",
    "genjax.energy.MetropolisChain": "tests/energy/test_langevin.py",
    "genjax.likelihood.Kind": "tests/test_likelihood.py",
    "genjax.likelihood.Likelihood": "tests/test_likelihood.py",
    "genjax.metrics.Diversity": "tests/test_metrics.py",
    "genjax.metrics.ModeCoverage": "tests/test_metrics.py",
    "genjax.metrics.PrecisionRecall": "tests/test_metrics.py",
    "genjax.vae.ElboTerms": "tests/vae/test_elbo.py",
    "genjax.vae.HierarchicalTerms": "tests/vae/test_hierarchical.py",
    "genjax.checked": "tests/test_checks.py",
}
