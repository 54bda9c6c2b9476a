"""Activation normalisation whitens what reaches it, once, wherever it stands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.flow import (
    ActNorm,
    Affine,
    Chain,
    Coupling,
    Fixed,
    Invert,
    Permutation,
    Split,
    Squeeze,
    affine,
    channel_mask,
    fit_actnorm,
)

from .bijectors import build, coupling


def vectors(n=500):
    return jnp.asarray(
        np.random.default_rng(0).normal(size=(n, 4)) * [3, 0.1, 1, 20] + [5, 0, -300, 1], float
    )


def images(n=200):
    scale = np.linspace(0.1, 3, 16).reshape(4, 4, 1)
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, 4, 4, 1)) * scale + 7, float)


def norm(d):
    return ActNorm(jnp.full(d, 0.7), jnp.full(d, -0.2))


def noise(flow, x):
    return np.asarray(jax.jit(jax.vmap(lambda x: flow.inverse(x)[0]))(x))


def test_the_noise_end_is_white():
    """Layers between the norm and the data come first: what reaches it decides."""
    rng = np.random.default_rng(1)
    flow = Chain((norm(4), coupling(rng, (True, False, True, False)), norm(4), Permutation((3, 1, 0, 2))))
    fitted = jax.jit(fit_actnorm)(flow, vectors())
    z = noise(fitted, vectors())
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-5)
    inner = noise(Chain(fitted.bijectors[2:]), vectors())  # and so at the inner norm
    np.testing.assert_allclose(inner.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(inner.std(0), 1, atol=1e-5)


def test_images_are_whitened_by_channel():
    flow = Chain((norm(4), Invert(Squeeze())))
    z = noise(jax.jit(fit_actnorm)(flow, images()), images())
    assert z.shape == (200, 2, 2, 4)
    np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, atol=1e-5)
    assert abs(z.std((0,)) - 1).max() > 0.1  # not by pixel


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: inner,
        Invert,
        lambda inner: Invert(Invert(inner)),
        lambda inner: Chain((Chain((inner,)),)),
        lambda inner: Invert(Chain((inner, Permutation((1, 0, 3, 2))))),
    ],
)
def test_norms_are_found_inside_other_structures_and_in_either_direction(wrap):
    z = noise(jax.jit(fit_actnorm)(wrap(norm(4)), vectors()), vectors())
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-4)


def test_a_split_fits_the_half_that_goes_on():
    flow = Chain((Split(norm(2)), Affine(jnp.ones(4), jnp.zeros(4))))
    z = noise(fit_actnorm(flow, vectors()), vectors())
    np.testing.assert_allclose(z[:, :2].std(0), 1, atol=1e-4)
    np.testing.assert_allclose(z[:, 2:], vectors()[:, 2:] - 1, rtol=1e-6)


def test_all_norms_of_a_multi_scale_flow_are_fitted():
    fitted = jax.jit(fit_actnorm)(build("Glow"), images())
    z = noise(fitted, images())
    assert 0.5 < z.std() < 2  # before: the data stand around 7
    assert abs(z.mean()) < 0.5
    again = jax.jit(fit_actnorm)(fitted, images())
    for once, twice in zip(*map(jax.tree.leaves, (fitted, again)), strict=True):
        np.testing.assert_allclose(once, twice, atol=1e-4)  # the data decide, not the values before


def test_nothing_else_changes_and_what_is_fixed_stays():
    rng = np.random.default_rng(1)
    layer = Coupling(coupling(rng, channel_mask((4,))).conditioner, affine, channel_mask((4,)))
    flow = Chain((Fixed(norm(4)), layer))
    fitted = fit_actnorm(flow, vectors())
    assert jax.tree.structure(fitted) == jax.tree.structure(flow)
    for before, after in zip(*map(jax.tree.leaves, (flow, fitted)), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4 - 0.1, 1e30, 1e-30])
@pytest.mark.parametrize("num_rows", [2, 1000, 60_001])
def test_a_constant_channel_is_refused_whatever_its_value(value, num_rows):
    """Alone, beside one that varies, seen through another layer, and where neighbouring floats alternate."""
    varying = np.random.default_rng(0).normal(size=num_rows)
    constant = np.full(num_rows, value, np.float32)
    jitter = np.where(np.arange(num_rows) % 2, constant, np.nextafter(constant, np.float32(np.inf)))
    for flow in (norm(2), Chain((norm(2), Affine(jnp.full(2, 0.3), jnp.full(2, 0.2))))):
        for channel in (constant, jitter if value else constant):
            x = jnp.asarray(np.stack([varying, channel], 1), jnp.float32)
            with pytest.raises(
                ValueError, match=r"exceed the round-off of its values; got .+ at flat position 1"
            ):
                fit_actnorm(flow, x)


def test_a_small_spread_far_from_zero_is_fitted():
    x = jnp.asarray(1e4 + np.random.default_rng(0).normal(size=(2000, 1)), jnp.float32)
    fitted = fit_actnorm(norm(1), x)
    np.testing.assert_allclose(fitted.log_scale, np.log(np.std(np.float64(x))), atol=1e-3)
