"""Reverse KL against its closed form, and what sticking the landing does to its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.densities import normal_log_prob
from genjax.divergences import kl_normal
from genjax.flow import Affine, Chain, reverse_kl, reverse_kl_integrand

from .bijectors import build

MEAN, LOG_VAR = np.array([1.0, -0.5]), np.array([0.6, -1.0])
LOG_Z = 2.5
NUM_DRAWS = 20_000


def log_target(x):
    """An unnormalised Gaussian."""
    return normal_log_prob(x, jnp.asarray(MEAN), jnp.asarray(LOG_VAR)) + LOG_Z


def target_as_flow():
    return Affine(jnp.asarray(MEAN), jnp.asarray(LOG_VAR / 2))


def other():
    return Affine(jnp.array([0.3, 0.4]), jnp.array([0.5, 0.1]))


def exact(flow):
    kl = kl_normal(flow.shift, 2 * flow.log_scale, jnp.asarray(MEAN), jnp.asarray(LOG_VAR))
    return kl - LOG_Z


def gradients(flow, *, stl, num_draws=NUM_DRAWS):
    draw = jax.grad(lambda flow, key: reverse_kl(key, flow, log_target, shape=(2,), sticking_the_landing=stl))
    leaves = jax.tree.leaves(
        jax.jit(jax.vmap(draw, (None, 0)))(flow, jax.random.split(jax.random.key(0), num_draws))
    )
    return np.concatenate(leaves, axis=-1)


def test_gauss_hermite_nodes_give_the_closed_form_and_its_gradient(x64):
    """The integrand is quadratic in the noise, so three nodes a dimension make the mean exact."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    noise = jnp.asarray(np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2))
    weights = jnp.asarray(np.outer(weights, weights).ravel() / (2 * np.pi))
    for stl in (False, True):

        def mean(flow, stl=stl):
            draw = lambda z: reverse_kl_integrand(flow, log_target, z, sticking_the_landing=stl)
            return jnp.sum(weights * jax.vmap(draw)(noise))

        (value, slope), (expected, true_slope) = (
            jax.jit(jax.value_and_grad(f))(other()) for f in (mean, exact)
        )
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        for a, b in zip(*map(jax.tree.leaves, (slope, true_slope)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_at_the_optimum_every_draw_is_minus_log_z(x64):
    draws = jax.vmap(lambda key: reverse_kl(key, target_as_flow(), log_target, shape=(2,)))
    np.testing.assert_allclose(draws(jax.random.split(jax.random.key(0), 50)), -LOG_Z, rtol=1e-12)


def test_sticking_the_landing_leaves_no_variance_at_the_optimum(x64):
    assert np.abs(gradients(target_as_flow(), stl=True, num_draws=100)).max() < 1e-13
    assert gradients(target_as_flow(), stl=False, num_draws=100).std(0).min() > 0.1


@pytest.mark.parametrize("stl", [False, True])
def test_the_mean_gradient_is_exact_elsewhere(stl, x64):
    draws = gradients(other(), stl=stl)
    expected = np.concatenate(jax.tree.leaves(jax.jit(jax.grad(exact))(other())))
    assert (np.abs(draws.mean(0) - expected) < 4 * draws.std(0) / np.sqrt(NUM_DRAWS)).all()


@pytest.mark.slow
def test_both_gradients_agree_in_the_mean_for_a_deep_flow(x64):
    """Coupling layers and a spline, where there is no closed form: the term removed has mean zero."""
    flow, n = Chain((build("Coupling"), build("Chain"))), 4000
    log_p = lambda x: -jnp.sum(x**2) / 2 - jnp.sum(jnp.cos(x))

    def draw(flow, z, stl):
        return reverse_kl_integrand(flow, log_p, z, sticking_the_landing=stl)

    noise = jax.random.normal(jax.random.key(1), (n, 3))
    plain, stuck = (
        np.concatenate([np.reshape(leaf, (n, -1)) for leaf in jax.tree.leaves(gradient)], axis=1)
        for gradient in (
            jax.jit(jax.vmap(jax.grad(lambda f, z, stl=stl: draw(f, z, stl)), (None, 0)))(flow, noise)
            for stl in (False, True)
        )
    )
    difference = plain - stuck
    error = difference.std(0) / np.sqrt(n)
    assert (np.abs(difference.mean(0)) < 4.5 * error + 1e-12).all()  # some 100 parameters
    assert (error > 0).any()


def test_the_noise_has_the_precision_of_the_flow():
    half = Affine(jnp.zeros(2, jnp.bfloat16), jnp.zeros(2, jnp.bfloat16))
    value = reverse_kl(jax.random.key(0), half, lambda x: -jnp.sum(x**2), shape=(2,))
    assert value.dtype == jnp.bfloat16
