"""Batch normalization: the statistics of the batch in training, of the whole set when frozen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import standard_normal_log_prob
from genjax.flow import Split, check
from genjax.nn import FlowBatchNorm, batch_inverse, identity_batch_norm, maf, with_statistics

from .test_vector_flows import away_from_identity


def flow_and_data(n=20):
    flow = maf(jax.random.key(0), 2, num_layers=3, hidden=(4,), norm=identity_batch_norm)
    x = 3 + 2 * jax.random.normal(jax.random.key(1), (n, 2), float)
    return away_from_identity(flow), x


def test_a_batch_that_is_the_data_set_gives_the_frozen_flow(x64):
    flow, x = flow_and_data()
    z, log_dets = jax.jit(batch_inverse)(flow, x)
    frozen = with_statistics(flow, x)
    z_frozen, log_dets_frozen = jax.jit(jax.vmap(frozen.inverse))(x)
    np.testing.assert_allclose(z, z_frozen, rtol=1e-12)
    np.testing.assert_allclose(log_dets, log_dets_frozen, rtol=1e-12)
    check(frozen, x[0], num_points=4, grid_size=20)


def test_the_layer_is_the_papers_formula(x64):
    x = np.random.default_rng(0).normal(size=(7, 3, 2)) * 4 + 1  # three pixels of two channels
    beta, gamma = np.array([0.3, -0.2]), np.array([0.5, 0.1])
    z, log_dets = batch_inverse(FlowBatchNorm(jnp.asarray(beta), jnp.asarray(gamma)), jnp.asarray(x))
    mean, variance = np.mean(x, (0, 1)), np.var(x, (0, 1))
    np.testing.assert_allclose(z, (x - mean) / np.sqrt(variance) * np.exp(gamma) + beta, rtol=1e-12)
    np.testing.assert_allclose(log_dets, np.full(7, 3 * np.sum(gamma - 0.5 * np.log(variance))), rtol=1e-12)


def test_the_gradient_flows_through_the_statistics(x64):
    """Against finite differences of the batch loss, in which the statistics move with the parameters."""
    flow, x = flow_and_data()

    def loss(flow):
        z, log_dets = batch_inverse(flow, x)
        return -jnp.mean(jax.vmap(standard_normal_log_prob)(z) + log_dets)

    gradient = jax.jit(jax.grad(loss))(flow)
    direction = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), flow)
    moved = lambda h: jax.tree.map(lambda a, d: a + h * d, flow, direction)
    slope = (loss(moved(1e-6)) - loss(moved(-1e-6))) / 2e-6
    along = lambda g: sum(jnp.sum(a * d) for a, d in zip(*map(jax.tree.leaves, (g, direction)), strict=True))
    np.testing.assert_allclose(along(gradient), slope, rtol=1e-6)


def test_examples_are_coupled_and_one_event_is_refused(x64):
    flow, x = flow_and_data()
    before = batch_inverse(flow, x)[0][0]
    after = batch_inverse(flow, x.at[1].add(5.0))[0][0]
    assert np.abs(before - after).max() > 1e-2
    for move in (flow.forward, flow.inverse):
        with pytest.raises(ValueError, match="one event has none"):
            move(x[0])
    with pytest.raises(ValueError, match="one event has none"):
        batch_inverse(Split(identity_batch_norm(1)), x)


def test_faults_of_the_batch_are_named(untyped):
    layer = identity_batch_norm(1)
    with pytest.raises(ValueError, match=r"n at least 2; got shape \(1, 1\)"):
        batch_inverse(layer, jnp.ones((1, 1)))
    with pytest.raises(ValueError, match=r"FlowBatchNorm must be positive; got 0\.0"):
        with_statistics(layer, jnp.ones((3, 1)))
    with pytest.raises(TypeError, match="floating point; got int32"):
        batch_inverse(layer, jnp.ones((3, 1), jnp.int32))
    assert np.isnan(jax.jit(batch_inverse)(layer, jnp.ones((3, 1)))[0]).all()
