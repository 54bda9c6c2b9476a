"""Glow: the Jacobian's log-determinant, whitening, and what its start is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.flow import check, fit_actnorm, log_prob
from genjax.nn import glow

from ..flow.bijectors import Compiled
from .test_vector_flows import away_from_identity

SHAPE = (4, 4, 1)


@jax.jit
def build(key):
    return glow(key, SHAPE, num_scales=2, num_steps=1, channels=4)


@pytest.mark.parametrize(
    ("x64_on", "tolerance"), [pytest.param(True, 1e-9, marks=pytest.mark.slow), (False, 1e-4)]
)
def test_its_log_determinant_is_the_jacobians(x64_on, tolerance):
    """Of 1 + |log det|. In float32 for gentle weights: others make a Jacobian that float32 cannot hold."""
    with jax.enable_x64(x64_on):
        flow = away_from_identity(build(jax.random.key(0)), scale=0.3 if x64_on else 0.1)
        x = jax.random.normal(jax.random.key(1), SHAPE, float)
        report = check(Compiled(flow), x, num_points=2, tolerance=tolerance)
        assert abs(jax.jit(flow.inverse)(x)[1]) > 0.1  # not the volume-preserving start
        assert report.round_trip_error < tolerance


def test_at_the_start_it_permutes_the_pixels():
    z = np.arange(16, dtype=np.float32).reshape(SHAPE)
    x, log_det = jax.jit(build(jax.random.key(0)).forward)(z)
    assert log_det == 0
    np.testing.assert_array_equal(np.sort(np.ravel(x)), np.ravel(z))


def test_fit_actnorm_whitens_under_jit():
    data = 5 + 3 * np.random.default_rng(0).normal(size=(64, *SHAPE)).astype(np.float32)
    data[:, :2] *= 0.1
    flow = jax.jit(fit_actnorm)(build(jax.random.key(1)), data)
    z, _ = jax.jit(jax.vmap(flow.inverse))(data)
    assert abs(np.mean(z)) < 1e-4
    np.testing.assert_allclose(np.std(z), 1, rtol=1e-3)


def test_every_pixel_depends_on_every_other():
    flow = away_from_identity(build(jax.random.key(0)))
    inverse = lambda x: jnp.ravel(flow.inverse(jnp.reshape(x, SHAPE))[0])
    jacobian = jax.jit(jax.jacrev(inverse))(0.1 * np.arange(16, dtype=np.float32))
    # The half that is factored out after the first scale ends there; the innermost noise sees the whole image.
    assert (np.asarray(jacobian) != 0).all(axis=1).sum() >= 8


@pytest.mark.slow
def test_several_seeds_are_one_vmap_and_all_parameters_learn():
    keys = jax.random.split(jax.random.key(0), 2)
    flows = jax.jit(jax.vmap(build))(keys)
    assert jax.tree.structure(flows) == jax.tree.structure(build(keys[0]))
    x = jax.random.normal(jax.random.key(1), (3, *SHAPE))
    loss = lambda flow: -jnp.mean(jax.vmap(lambda x: log_prob(flow, x))(x))
    gradient = jax.jit(jax.grad(loss))(away_from_identity(build(keys[0])))
    assert all(jnp.isfinite(leaf).all() and jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradient))


def test_an_image_that_cannot_be_squeezed_is_refused(untyped):
    with pytest.raises(ValueError, match=r"image_shape \(6, 8, 1\), num_scales 2"):
        glow(jax.random.key(0), (6, 8, 1), num_scales=2)
