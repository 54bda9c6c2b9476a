"""The continuous flow: a linear field in closed form, Jacobians, mass, and the estimate of the divergence."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from genjax import Bound
from genjax.flow import ContinuousFlow, check, log_prob, negative_log_likelihood
from genjax.nn import continuous_flow

from .test_vector_flows import away_from_identity

MATRIX = np.array([[0.3, -0.8], [0.5, 0.1]])


def moved(seed, num_dims, **options):
    """A network's flow away from its start."""
    make = lambda key: continuous_flow(key, num_dims, **options)
    return away_from_identity(jax.jit(make)(jax.random.key(seed)))


def matrix_field(matrix, x, t):
    return matrix @ x


def test_a_linear_field_is_the_matrix_exponential(x64):
    """x(0) = e^{−A} z: a Gaussian of covariance e^{−A} e^{−Aᵀ}, by value and by the score."""
    flow = ContinuousFlow(Bound(jnp.asarray(MATRIX), matrix_field), rtol=1e-10, atol=1e-10)
    z = jnp.array([0.7, -1.1])
    exponential = scipy.linalg.expm(-MATRIX)
    x, log_det = flow.forward(z)
    np.testing.assert_allclose(x, exponential @ z, rtol=1e-9)
    np.testing.assert_allclose(log_det, -np.trace(MATRIX), rtol=1e-9)
    covariance = exponential @ exponential.T
    value, score = jax.value_and_grad(lambda x: log_prob(flow, x))(x)
    np.testing.assert_allclose(value, scipy.stats.multivariate_normal(cov=covariance).logpdf(x), rtol=1e-9)
    np.testing.assert_allclose(score, -np.linalg.solve(covariance, x), rtol=1e-7)


@pytest.mark.slow
def test_a_network_is_a_bijector_with_the_jacobians_log_determinant_and_unit_mass(x64):
    """The solver's order is five: with 20 steps its errors are below 1e-7 for these weights."""
    flow = moved(0, 2, hidden=(6,), num_steps=20)
    report = check(flow, jnp.array([0.5, -1.2]), num_points=2, tolerance=1e-7, grid_size=40)
    assert report.mass is not None
    assert abs(report.mass - 1) < 1e-4


@pytest.mark.slow
def test_a_sample_needs_no_divergence(x64):
    flow = away_from_identity(continuous_flow(jax.random.key(0), 3, hidden=(5,), num_steps=6))
    z = jnp.array([0.3, 0.1, -2.0])
    x, num_calls = flow.integrate(z)
    np.testing.assert_allclose(x, flow.forward(z)[0], rtol=1e-12)
    assert num_calls == 6 * 6 + 1
    adaptive = dataclasses.replace(flow, num_steps=None, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(adaptive.integrate(z).x, adaptive.forward(z)[0], rtol=1e-7)
    assert adaptive.integrate(z).num_calls > 37


@pytest.mark.slow
def test_steps_by_tolerance_and_fixed_steps_agree(x64):
    fixed = moved(0, 3, hidden=(5,), num_steps=40)
    adaptive = dataclasses.replace(fixed, num_steps=None, rtol=1e-9, atol=1e-9)
    x = jnp.array([0.3, 0.1, -2.0])
    for a, b in zip(fixed.inverse(x), adaptive.inverse(x), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.slow
def test_the_mean_over_all_directions_is_the_exact_log_determinant(x64):
    flow = moved(1, 2, hidden=(6,), num_steps=4)
    x = jnp.array([0.5, -1.2])
    signs = jnp.array(list(itertools.product([-1.0, 1.0], repeat=2)))
    z, log_dets = jax.jit(jax.vmap(lambda e: dataclasses.replace(flow, direction=e).inverse(x)))(signs)
    z_exact, log_det = flow.inverse(x)
    np.testing.assert_allclose(z, np.tile(z_exact, (4, 1)), rtol=1e-12)
    np.testing.assert_allclose(np.mean(log_dets), log_det, rtol=1e-12)
    assert np.std(log_dets) > 1e-2


@pytest.mark.slow
def test_a_direction_is_no_part_of_the_trained_tree(x64):
    """It is put in for one loss, whose gradient has the structure of the flow, and whose mean is the exact one."""
    flow = moved(1, 2, hidden=(6,), num_steps=4)
    x = jnp.array([0.5, -1.2])
    signs = jnp.array(list(itertools.product([-1.0, 1.0], repeat=2)))
    loss = lambda flow, e: negative_log_likelihood(dataclasses.replace(flow, direction=e), x)
    gradients = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(flow, signs)
    exact = jax.jit(jax.grad(negative_log_likelihood))(flow, x)
    assert jax.tree.structure(gradients) == jax.tree.structure(flow)
    for a, b in zip(*map(jax.tree.leaves, (gradients, exact)), strict=True):
        np.testing.assert_allclose(np.mean(a, axis=0), b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_several_seeds_are_one_vmap():
    make = lambda key: continuous_flow(key, 2, hidden=(4,), num_steps=2)
    flows = jax.jit(jax.vmap(make))(jax.random.split(jax.random.key(0), 3))
    values = jax.jit(jax.vmap(negative_log_likelihood, (0, None)))(flows, jnp.ones(2))
    assert len(np.unique(values)) == 3


def test_a_direction_of_another_shape_is_refused(untyped):
    flow = ContinuousFlow(Bound(jnp.asarray(MATRIX), matrix_field), direction=jnp.ones(3))
    with pytest.raises(ValueError, match=r"x \(2,\), direction \(3,\)"):
        flow.forward(jnp.ones(2))
