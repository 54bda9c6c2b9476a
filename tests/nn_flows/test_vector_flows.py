"""Flows of vectors: bijectors with exact log-determinants, near the identity, several seeds at once."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from genjax.autoregressive import random_degrees
from genjax.flow import check, fit_actnorm, negative_log_likelihood
from genjax.nn import (
    MaskedMLP,
    functional,
    maf,
    real_nvp,
    spline_autoregressive_flow,
    spline_coupling_flow,
)

from ..flow.bijectors import Compiled

spline_options = {"num_layers": 2, "hidden": (6, 5), "num_bins": 4}
ARCHITECTURES = {
    "spline_coupling_flow": partial(spline_coupling_flow, **spline_options, bound=3.0),
    "spline_autoregressive_flow": partial(spline_autoregressive_flow, **spline_options, bound=3.0),
    "real_nvp": partial(real_nvp, num_layers=3, hidden=(6, 5)),
    "maf": partial(maf, num_layers=3, hidden=(6, 5)),
    "maf_random": partial(
        maf, num_layers=2, hidden=(6, 5), degrees=partial(random_degrees, jax.random.key(3)), norm=None
    ),
}
architectures = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "real_nvp")) for name in sorted(ARCHITECTURES)],
)


def away_from_identity(params, scale=0.3):
    """The same structure with all weights moved, so that nothing cancels by symmetry."""
    rng = np.random.default_rng(0)
    moved = lambda a: np.asarray(a) + np.asarray(scale * rng.normal(size=a.shape), a.dtype)
    return jax.tree.map(lambda a: jnp.asarray(moved(a)), params)  # in NumPy, which compiles nothing


def build(name, num_dims, seed=0):
    """One of the architectures, made by one program."""
    return jax.jit(lambda key: ARCHITECTURES[name](key, num_dims))(jax.random.key(seed))


@architectures
def test_it_is_a_bijector_with_the_jacobians_log_determinant(name, x64):
    flow = away_from_identity(build(name, 3))
    report = check(Compiled(flow), jnp.array([0.5, -1.2, 0.3]), num_points=8)
    assert report.forward_log_det_error < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limit"),
    [("real_nvp", 16.0), pytest.param("spline_autoregressive_flow", 6.0, marks=pytest.mark.slow)],
)
def test_densities_of_the_plane_integrate_to_one(name, limit, x64):
    """RealNVP with these weights has a ten-thousandth of its mass outside the grid."""
    flow = away_from_identity(build(name, 2))
    report = check(
        Compiled(flow), jnp.array([0.5, -1.2]), num_points=2, grid_limits=(-limit, limit), grid_size=160
    )
    assert report.mass is not None
    assert abs(report.mass - 1) < 5e-4


@architectures
def test_it_starts_near_the_identity_and_every_coordinate_moves(name):
    flow = build(name, 4, seed=1)
    z = jax.random.normal(jax.random.key(2), (64, 4))
    x, log_dets = jax.jit(jax.vmap(flow.forward))(z)
    # Two layers have one reversal between them; the two of three layers cancel.
    order = np.arange(4)[::-1] if name in ("maf_random", "spline_autoregressive_flow") else np.arange(4)
    moved = np.abs(np.asarray(x)[:, order] - np.asarray(z))
    assert moved.mean() < 0.3
    assert np.abs(log_dets).mean() < 0.5
    # The first coordinate of an autoregressive layer starts at the identity, but only in every other layer.
    assert (moved.max(axis=0) > 1e-4).all()


@architectures
def test_several_seeds_are_one_vmap_and_structures_agree(name):
    make = lambda key: ARCHITECTURES[name](key, 3)
    keys = jax.random.split(jax.random.key(0), 3)
    flows = jax.jit(jax.vmap(make))(keys)
    alone = jax.jit(make)(keys[1])
    assert jax.tree.structure(flows) == jax.tree.structure(alone)
    x = jnp.array([0.3, -0.4, 0.9])
    values = jax.jit(jax.vmap(negative_log_likelihood, (0, None)))(flows, x)
    assert len(np.unique(values)) == 3
    np.testing.assert_allclose(values[1], jax.jit(negative_log_likelihood)(alone, x), rtol=1e-5)


@architectures
def test_all_parameters_receive_a_gradient(name, x64):
    flow = away_from_identity(build(name, 3))
    x = jax.random.normal(jax.random.key(1), (32, 3), float)
    loss = jax.jit(
        jax.value_and_grad(lambda flow: jnp.mean(jax.vmap(partial(negative_log_likelihood, flow))(x)))
    )
    gradient = [np.asarray(leaf) for leaf in jax.tree.leaves(loss(flow)[1])]
    leaves, tree = jax.tree.flatten(flow)
    direction = [np.cos(np.arange(leaf.size)).reshape(leaf.shape) for leaf in leaves]
    step = lambda h: tree.unflatten(
        jnp.asarray(np.asarray(a) + h * d) for a, d in zip(leaves, direction, strict=True)
    )
    slope = (loss(step(1e-6))[0] - loss(step(-1e-6))[0]) / 2e-6
    along = sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(along, slope, rtol=1e-5)
    assert all(np.any(leaf != 0) for leaf in gradient)


@pytest.mark.slow
def test_an_autoregressive_layer_is_triangular_and_the_next_one_the_other_way():
    flow = away_from_identity(build("maf", 4))
    first, last = (
        np.asarray(jax.jit(jax.jacrev(lambda x, layer=layer: layer.inverse(x)[0]))(jnp.ones(4)))
        for layer in (flow.bijectors[0], flow.bijectors[-1])
    )
    for jacobian in (first, last):
        assert (np.triu(jacobian, 1) == 0).all()
        assert (np.tril(jacobian)[np.tril_indices(4)] != 0).all()
    through_two = jax.jit(jax.jacrev(lambda x: flow.inverse(x)[0]))(jnp.ones(4))
    assert (np.asarray(through_two) != 0).all()


def test_fit_actnorm_whitens_what_reaches_each_layer():
    flow = jax.jit(lambda key: maf(key, 2, num_layers=2, hidden=(4,)))(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (256, 2)) * jnp.array([[3.0, 0.1]]) + 5.0
    fitted = jax.jit(fit_actnorm)(flow, x)
    _, _, norm, last = fitted.bijectors
    reached = jax.jit(jax.vmap(lambda x: norm.inverse(last.inverse(x)[0])[0]))(x)
    np.testing.assert_allclose(jnp.mean(reached, 0), 0, atol=1e-4)
    np.testing.assert_allclose(jnp.std(reached, 0), 1, rtol=1e-4)


@pytest.mark.slow
def test_a_spline_flow_learns_two_dimensional_data_to_their_entropy(standard_promotion):
    """A Gaussian bent along a sine, of known entropy, to 0.2 nats in 300 steps; 0.08 for each of five seeds."""
    rng = np.random.default_rng(0)

    def draw(*n):
        u = rng.normal(size=(*n, 2)) * 0.5
        return np.stack([u[..., 0], np.sin(3 * u[..., 0]) + 0.2 * u[..., 1]], -1).astype(np.float32)

    entropy = 2 * scipy.stats.norm.entropy(0, 0.5) + math.log(0.2)
    test, batches = draw(4000), draw(300, 128)
    mean_loss = lambda flow, x: jnp.mean(jax.vmap(partial(negative_log_likelihood, flow))(x))
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-2, len(batches)))

    def step(carry, x):
        flow, state = carry
        updates, state = optimizer.update(jax.grad(mean_loss)(flow, x), state)
        return (optax.apply_updates(flow, updates), state), None

    @jax.jit
    def train(key):
        start = spline_autoregressive_flow(key, 2, num_layers=2, hidden=(16,), num_bins=8)
        (end, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), batches)
        return mean_loss(start, test), mean_loss(end, test)

    before, after = train(jax.random.key(0))
    # Each test loss has a spread of about 1 nat, so its mean over 4,000 one of 0.016.
    assert entropy - 0.06 < after < entropy + 0.2 < before


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("num_context", [0, 3])
def test_a_masked_perceptron_sees_only_what_comes_before_and_all_of_its_context(num_context, direct):
    sizes, sees = {"num_units": 2, "num_context": num_context}, {"order": (2, 0, 3, 1), "direct": direct}
    build = partial(MaskedMLP, 4, (16,), 3, **sizes, **sees, activation=jax.nn.gelu)  # no unit is dead
    init, apply = functional(lambda rngs: build(rngs=rngs))
    params = away_from_identity(jax.jit(init)(jax.random.key(0)))
    jacobian = jax.jit(jax.jacrev(lambda x: apply(params, x)))(jnp.arange(8.0 + num_context) / 8)
    depends = np.any(np.asarray(jacobian) != 0, axis=1)  # some of an input's outputs on one number
    place = np.argsort((2, 0, 3, 1))
    inputs = depends[:, :8].reshape(4, 4, 2).any(axis=-1)
    np.testing.assert_array_equal(inputs, place[:, None] > place[None])
    assert depends[:, 8:].all()


def test_a_masked_perceptron_is_its_masked_matrices():
    """With one hidden layer of degrees (1, 2), by hand."""
    init, apply = functional(lambda rngs: MaskedMLP(3, (2,), 1, degrees=lambda *_: ((1, 2),), rngs=rngs))
    params = away_from_identity(jax.jit(init)(jax.random.key(0)))
    x = jnp.array([0.3, -0.8, 5.0])
    first, last = params["layers"][0], params["layers"][1]
    k, m = first["kernel"], last["kernel"]
    h = jax.nn.relu(jnp.stack([x[0] * k[0, 0], x[0] * k[0, 1] + x[1] * k[1, 1]]) + first["bias"])
    expected = jnp.stack([0.0, h[0] * m[0, 1], h[0] * m[0, 2] + h[1] * m[1, 2]]) + last["bias"]
    np.testing.assert_allclose(apply(params, x)[:, 0], expected, rtol=1e-5)


def test_faults_are_named(untyped):
    with pytest.raises(ValueError, match="num_dims of at least 2; got 1"):
        real_nvp(jax.random.key(0), 1, num_layers=2, hidden=(4,))
    with pytest.raises(ValueError, match=r"size 3; got shape \(2,\)"):
        maf(jax.random.key(0), 3, num_layers=1, hidden=(4,)).inverse(jnp.zeros(2))
