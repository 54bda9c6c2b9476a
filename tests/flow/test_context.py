"""Conditional flows: one set of parameters, a density for every context."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from genjax import Bound
from genjax.flow import (
    Affine,
    Chain,
    ContextConditioner,
    Coupling,
    affine,
    given,
    log_prob,
    negative_log_likelihood,
)

from .bijectors import BIJECTORS, build


def location_scale(params, x, label):
    """A table of means and log-scales, by class."""
    return jnp.stack([params["mean"][label], params["log_scale"][label]], axis=-1)


def class_conditional():
    params = {"mean": jnp.array([[0.0, 1.0], [3.0, -2.0]]), "log_scale": jnp.array([[0.0, 0.5], [-1.0, 0.2]])}
    return Coupling(ContextConditioner(Bound(params, location_scale)), affine, mask=(False, False))


def test_a_layer_that_reads_the_context_alone_is_a_gaussian_by_class():
    x, labels = jnp.array([[0.2, -1.0], [2.5, 0.3], [0.0, 0.0]]), jnp.array([0, 1, 1])
    density = lambda x, label: log_prob(given(class_conditional(), label), x)
    values = jax.jit(jax.vmap(density))(x, labels)
    params = class_conditional().conditioner.conditioner.params
    means, log_scales = (np.asarray(params[name])[labels] for name in ("mean", "log_scale"))
    scales = np.exp(5 * np.tanh(log_scales / 5))
    np.testing.assert_allclose(values, scipy.stats.norm.logpdf(x, means, scales).sum(1), rtol=1e-5)


def test_the_unbound_flow_is_trained_and_each_class_by_its_own_data():
    def loss(flow, x, label):
        return negative_log_likelihood(given(flow, label), x)

    gradient = jax.grad(loss)(class_conditional(), jnp.ones(2), jnp.array(1))
    mean = gradient.conditioner.conditioner.params["mean"]
    assert (mean[0] == 0).all()
    assert (mean[1] != 0).all()
    assert jax.tree.structure(gradient) == jax.tree.structure(class_conditional())


def test_contexts_change_every_kind_of_layer_and_round_trips_hold():
    flow, z = build("conditional"), jnp.array([0.3, -1.0, 0.5])
    contexts = jnp.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    x, log_det = jax.jit(jax.vmap(lambda c: given(flow, c).forward(z)))(contexts)
    back, log_det_back = jax.jit(jax.vmap(lambda c, x: given(flow, c).inverse(x)))(contexts, x)
    assert len({tuple(row) for row in np.asarray(x).round(4)}) == 3
    np.testing.assert_allclose(back, jnp.tile(z, (3, 1)), atol=1e-5)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-5)


@pytest.mark.usefixtures("untyped")
def test_a_context_that_is_missing_or_unread_is_named():
    with pytest.raises(ValueError, match=r"use given\(bijector, context\)"):
        log_prob(class_conditional(), jnp.zeros(2))
    with pytest.raises(ValueError, match="no conditioner of the bijector reads a context; got Chain"):
        given(Chain((Affine(jnp.zeros(2), jnp.zeros(2)),)), jnp.zeros(2))


def test_every_structure_of_the_battery_says_whether_it_reads_a_context():
    for name in sorted(BIJECTORS):
        if name != "conditional":
            with pytest.raises(ValueError, match="reads a context"):
                given(build(name), jnp.zeros(2))
