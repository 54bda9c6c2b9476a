"""The chain rule against the table of all conditionals, and ensembles of models."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import genjax
from genjax.autoregressive import ensemble_log_prob, log_prob, negative_log_likelihood
from genjax.oracles import AutoregressiveTable

from .models import all_sequences, made, random_table, total_probability


def test_the_reference_conditionals(x64):
    p = jnp.array([0.8, 0.5, 0.25, 0.9])
    logits_fn = lambda x: jnp.stack([jnp.zeros(4), jax.scipy.special.logit(p)], axis=1)
    ones = jnp.ones(4, int)
    np.testing.assert_allclose(log_prob(logits_fn, ones), -2.4079456, atol=1e-7)
    np.testing.assert_allclose(jnp.exp(log_prob(logits_fn, ones)), 0.09, rtol=1e-12)
    np.testing.assert_allclose(log_prob(logits_fn, ones.at[2].set(0)), np.log(0.8 * 0.5 * 0.75 * 0.9))
    assert negative_log_likelihood(logits_fn, ones) == -log_prob(logits_fn, ones)


def test_the_chain_rule_is_the_table_by_value_and_gradient_for_every_sequence(x64):
    logits, x = random_table().logits, all_sequences(3, 3)
    chain = jax.jit(lambda logits: jax.vmap(partial(log_prob, AutoregressiveTable(logits).logits_fn))(x))
    read = jax.jit(lambda logits: jax.vmap(AutoregressiveTable(logits).log_prob)(x))
    np.testing.assert_allclose(chain(logits), read(logits), rtol=1e-12)
    np.testing.assert_allclose(jnp.exp(chain(logits)).sum(), 1.0, rtol=1e-12)
    slopes = (jax.jit(jax.jacobian(fn))(logits) for fn in (chain, read))
    for a, b in zip(*slopes, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_the_gradient_is_indicator_minus_probability_on_the_path_and_zero_elsewhere(x64):
    table = random_table(1)
    gradient = jax.grad(lambda t: log_prob(t.logits_fn, jnp.array([2, 0, 1])))(table)
    for i, (prefix, level) in enumerate([((), 2), ((2,), 0), ((2, 0), 1)]):
        expected = np.zeros((3,) * (i + 1))
        expected[prefix] = np.eye(3)[level] - jax.nn.softmax(table.logits[i][prefix])
        np.testing.assert_allclose(gradient.logits[i], expected, atol=1e-12)


def test_the_tables_marginals_and_conditionals_are_those_of_its_joint(x64):
    table = random_table(2)
    joint = np.exp(table.log_probs())
    for i, logits in enumerate(table.logits):
        prefix_and_level = joint.sum(axis=tuple(range(i + 1, 3)))
        conditional = prefix_and_level / prefix_and_level.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(jax.nn.softmax(logits), conditional, rtol=1e-12)
    np.testing.assert_array_equal(table.sequences(), all_sequences(3, 3))
    np.testing.assert_allclose(jax.vmap(table.log_prob)(table.sequences()), np.log(joint).ravel(), rtol=1e-12)


def test_the_tables_samples_have_its_frequencies():
    table, n = random_table(2), 20_000
    draws = np.asarray(table.sample(jax.random.key(0), n))
    counts = np.zeros((3, 3, 3))
    np.add.at(counts, tuple(draws.T), 1)
    p = np.exp(table.log_probs())
    assert (np.abs(counts / n - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_maximum_likelihood_by_gradient_descent_recovers_the_table(x64):
    truth = jax.tree.map(lambda a: 0.3 * a, random_table(3, length=2))
    x, p = truth.sequences(), jnp.exp(truth.log_probs()).ravel()

    def cross_entropy(model):
        return p @ jax.vmap(partial(negative_log_likelihood, model.logits_fn))(x)

    descend = lambda model, _: (
        jax.tree.map(lambda a, g: a - 2.0 * g, model, jax.grad(cross_entropy)(model)),
        None,
    )
    start = jax.tree.map(jnp.zeros_like, truth)
    model, _ = jax.jit(lambda m: jax.lax.scan(descend, m, length=3000))(start)
    np.testing.assert_allclose(jnp.exp(model.log_probs()), jnp.exp(truth.log_probs()), rtol=1e-6)
    entropy = -p @ jnp.log(p)
    np.testing.assert_allclose(cross_entropy(model), entropy, rtol=1e-12)
    assert cross_entropy(start) > entropy + 0.01


def test_a_fair_code_costs_the_log_of_the_levels_in_bits():
    nll = negative_log_likelihood(lambda x: jnp.zeros((6, 4)), jnp.array([0, 3, 1, 2, 0, 0]))
    np.testing.assert_allclose(genjax.bits_per_dim(nll, 6, num_levels=1), 2.0, rtol=1e-6)


def test_bytes_are_levels_too():
    logits_fn = lambda x: jnp.zeros((2, 256)).at[:, 255].set(3.0)
    as_bytes = jnp.array([255, 0], jnp.uint8)
    assert log_prob(logits_fn, as_bytes) == log_prob(logits_fn, as_bytes.astype(int))


def test_an_ensemble_averages_probabilities_of_whole_sequences():
    """Three members in three orders: their average is normalised, and averaged logits are something else."""
    members = [
        made(4, (16,), 2, seed=seed, scale=4.0, order=order)
        for seed, order in enumerate([(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
    ]
    x = all_sequences(4, 2)
    each = np.stack([jax.jit(jax.vmap(partial(log_prob, member)))(x) for member in members])
    ensemble = np.asarray(jax.jit(jax.vmap(partial(ensemble_log_prob, members)))(x))
    np.testing.assert_allclose(np.exp(ensemble), np.exp(each).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.exp(ensemble).sum(), 1.0, rtol=1e-5)
    assert (ensemble >= each.mean(axis=0) - 1e-6).all()
    averaged_logits = lambda x: sum(member(x) for member in members) / len(members)
    assert abs(total_probability(averaged_logits, 4, 2) - 1) > 0.01
    np.testing.assert_allclose(ensemble_log_prob(members[:1], x[5]), log_prob(members[0], x[5]), rtol=1e-6)


def test_an_ensemble_survives_members_that_underflow():
    certain = lambda sign: lambda x: jnp.stack([jnp.zeros(3), jnp.full(3, sign * 500.0)], axis=1)
    ensemble = ensemble_log_prob([certain(1.0), certain(-1.0)], jnp.ones(3, int))
    np.testing.assert_allclose(ensemble, -np.log(2), rtol=1e-6)
