"""Every bijector: log-determinants are those of the Jacobian, round trips close, gradients are finite."""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import standard_normal_log_prob
from genjax.flow import Sigmoid, log_prob

from .bijectors import BIJECTORS, NUM_RANDOM, build, noise

SLOW = ("MaskedAutoregressive, spline",)  # its parts are among the others
names = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in sorted(BIJECTORS)]
)


class Exact(NamedTuple):
    """A direction of the map at some points, in float64: inputs, outputs, log |det J|, condition of the inverse."""

    points: np.ndarray
    images: np.ndarray
    log_dets: np.ndarray
    jacobian_log_dets: np.ndarray
    round_trips: np.ndarray
    conditions: np.ndarray


@functools.cache
def exact(name, *, inverse=False):
    """Measured at the noise z, or, for the inverse, at x = f(z), rounded to float32 where z is not extreme."""
    with jax.enable_x64(True):
        move, back = directions(name, inverse=inverse)
        points = np.asarray(noise(name), np.float64)
        if inverse:
            points = np.array(exact(name).images)
            points[:NUM_RANDOM] = points[:NUM_RANDOM].astype(np.float32)

        def measure(point):
            image, log_det = move(point)
            jacobian = jax.jacfwd(lambda p: jnp.ravel(move(jnp.reshape(p, point.shape))[0]))(jnp.ravel(point))
            return image, log_det, back(image)[0], jacobian

        images, log_dets, round_trips, jacobians = map(np.asarray, jax.jit(jax.vmap(measure))(points))
    spread = np.linalg.norm(np.linalg.inv(jacobians), 2, axis=(1, 2))
    conditions = spread * norms(images) / norms(points)
    return Exact(points, images, log_dets, np.linalg.slogdet(jacobians)[1], round_trips, conditions)


@functools.cache
def single(name, *, inverse=False):
    """Log-determinants and round trips in float32 at the same points."""
    move, back = directions(name, inverse=inverse)

    def measure(point):
        image, log_det = move(point)
        return log_det, back(image)[0]

    points = np.asarray(exact(name, inverse=inverse).points, np.float32)
    return [np.asarray(a) for a in jax.jit(jax.vmap(measure))(points)]


def directions(name, *, inverse):
    bijector = build(name)
    return (bijector.inverse, bijector.forward) if inverse else (bijector.forward, bijector.inverse)


def norms(events):
    """Of each event; 1 for the origin, where an error is absolute."""
    size = np.sqrt((events**2).sum(tuple(range(1, events.ndim))))
    return np.where(size == 0, 1.0, size)


@names
@pytest.mark.parametrize("inverse", [False, True])
def test_log_det_is_the_jacobians(name, inverse):
    reference, (log_dets, _) = exact(name, inverse=inverse), single(name, inverse=inverse)
    # Autodiff itself loses sigmoid′(30) to rounding: the closed form is compared in test_densities.
    double = slice(NUM_RANDOM if name.startswith("Sigmoid") and not inverse else None)
    np.testing.assert_allclose(
        reference.log_dets[double], reference.jacobian_log_dets[double], rtol=1e-9, atol=1e-9
    )
    assert log_dets.dtype == np.float32
    # In float32, x = f(±30) may leave the range of f by rounding; z may be anything.
    float32 = slice(NUM_RANDOM if inverse else None)
    np.testing.assert_allclose(log_dets[float32], reference.log_dets[float32], rtol=1e-4, atol=1e-4)


def relative_error(actual, expected):
    difference = actual - expected
    return np.sqrt((difference**2).sum(tuple(range(1, expected.ndim)))) / norms(expected)


@names
@pytest.mark.parametrize("inverse", [False, True])
def test_round_trips_close_up_to_the_condition_number(name, inverse):
    """In float32 at random points, in float64 at z = ±30 too."""
    reference, (_, back) = exact(name, inverse=inverse), single(name, inverse=inverse)
    condition = np.maximum(reference.conditions, 1)
    assert (relative_error(reference.round_trips, reference.points) < 1e-13 * condition).all()
    assert (relative_error(back, reference.points) < 1e-4 * condition)[:NUM_RANDOM].all()


@names
def test_gradients_are_finite_everywhere(name):
    """In parameters and input, through density and sample, at random points and extreme ones."""
    bijector, z = build(name), noise(name)
    if name.startswith("Sigmoid"):  # beyond 10, float32 holds no number between its value and 1
        z = np.clip(z, -10.0, 10.0)

    def gradients(z):
        x, _ = bijector.forward(z)
        sampled = jax.grad(lambda f, z: sum(map(jnp.sum, f.forward(z))), (0, 1))(bijector, z)
        return sampled, jax.grad(log_prob, (0, 1))(bijector, x)

    for leaf in jax.tree.leaves(jax.jit(jax.vmap(gradients))(z)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("name", ["Coupling, spline", "MaskedAutoregressive", "Glow", "conditional"])
def test_a_stack_of_flows_is_mapped(name):
    """Several seeds at once: the leaves have a leading axis, the static fields are shared."""
    flows = [build(name, seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *flows)
    z = noise(name)[:2]
    together = jax.jit(jax.vmap(lambda f, z: f.inverse(z)))(stacked, z)
    alone = jax.jit(lambda f, z: f.inverse(z))
    each = jax.tree.map(
        lambda *leaves: np.stack(leaves), *[alone(f, one) for f, one in zip(flows, z, strict=True)]
    )
    chex.assert_trees_all_close(together, each, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("untyped")
@names
def test_structures_are_trees_of_their_parameters(name):
    bijector = build(name)
    leaves, tree = jax.tree.flatten(bijector)
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)
    assert jax.tree.leaves(jax.tree.map(lambda _: None, bijector)) == []
    chex.assert_trees_all_equal(tree.unflatten(leaves), bijector)
    assert (
        jax.tree.structure(build(name)) == tree
    )  # static fields compare by value, so that jit finds its program
    assert hash(jax.tree.structure(build(name))) == hash(tree)


@pytest.mark.parametrize("name", ["Coupling, checkerboard", "InvertibleLinear", "conditional"])
def test_new_parameters_do_not_retrace(name):
    chex.clear_trace_counter()
    density = jax.jit(chex.assert_max_traces(lambda f, x: f.inverse(x), n=1))
    z = jnp.asarray(noise(name))
    values = [density(build(name, seed), z[0])[1] for seed in range(3)]
    assert len(set(map(float, values))) == 3


def test_the_base_may_be_another_density():
    flow, x = build("Affine"), jnp.array([0.3, -1.0, 2.0])
    logistic = lambda z: jnp.sum(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z))
    z, log_det = flow.inverse(x)
    np.testing.assert_allclose(log_prob(flow, x, base_log_prob=logistic), logistic(z) + log_det, rtol=1e-6)
    np.testing.assert_allclose(log_prob(flow, x, base_log_prob=standard_normal_log_prob), log_prob(flow, x))


def test_a_sigmoid_keeps_its_slope_where_it_rounds_to_one():
    x = np.array([1e-6, 1.0, 10.0, 17.0, 30.0, 80.0], np.float32)
    x = np.concatenate([x, -x])
    bijector = Sigmoid()
    slope = jax.vmap(jax.grad(lambda x: bijector.forward(x)[0]))(x)
    bend = jax.vmap(jax.grad(lambda x: bijector.forward(x)[1]))(x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(slope, np.exp(-np.abs(wide)) / (1 + np.exp(-np.abs(wide))) ** 2, rtol=1e-6)
    np.testing.assert_allclose(bend, -np.tanh(wide / 2), rtol=1e-6)
