"""The change of variables: reference values, mass conserved, Jacobians counted once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

import genjax
from genjax import Bound
from genjax.flow import (
    Affine,
    Chain,
    Coupling,
    Fixed,
    Invert,
    Logit,
    MaskedAutoregressive,
    RationalQuadraticSpline,
    Sigmoid,
    Squeeze,
    affine,
    log_prob,
    negative_log_likelihood,
    reverse_kl_integrand,
)

from .bijectors import array, causal, coupling, linear, made

gauss_legendre = functools.cache(np.polynomial.legendre.leggauss)


def line(shift, scale):
    return Affine(shift=jnp.array(shift), log_scale=jnp.log(jnp.array(scale)))


@pytest.mark.parametrize(("shift", "x"), [(1.0, 3.0), (-1.0, 1.0)])
def test_reference_densities_of_affine_maps(shift, x, x64):
    """x = 2z + 1 at 3 and x = 2z − 1 at 1: z = 1 both times."""
    value = log_prob(line(shift, 2.0), jnp.array(x))
    assert abs(value + 2.1120857) < 5e-8
    assert abs(jnp.exp(value) - 0.1209854) < 5e-8
    np.testing.assert_allclose(value, scipy.stats.norm.logpdf(x, shift, 2), rtol=1e-14)
    np.testing.assert_allclose(negative_log_likelihood(line(shift, 2.0), jnp.array(x)), -value)


def test_the_gradient_of_the_density_is_that_of_the_normal(x64):
    flow = line(1.0, 2.0)
    parameters, score = jax.grad(log_prob, (0, 1))(flow, jnp.array(4.0))
    z = 1.5  # ∂/∂μ = z/σ, ∂/∂log σ = z² − 1, ∂/∂x = −z/σ
    np.testing.assert_allclose(
        [parameters.shift, parameters.log_scale, score], [z / 2, z**2 - 1, -z / 2], rtol=1e-14
    )


@for_all(*[st.floats(-3, 3) for _ in range(4)], st.floats(-10, 10))
def test_composition_adds_log_determinants(a, b, log_s, log_t, z):
    with jax.enable_x64(True):
        first, second = Affine(jnp.array(a), jnp.array(log_s)), Affine(jnp.array(b), jnp.array(log_t))
        x, log_det = forward(Chain((first, second)), jnp.array(z))
        np.testing.assert_allclose(log_det, log_s + log_t, atol=1e-14)
        np.testing.assert_allclose(x, b + np.exp(log_t) * (a + np.exp(log_s) * z), rtol=1e-12, atol=1e-12)
        back, log_det_back = inverse(Chain((first, second)), x)
        np.testing.assert_allclose(log_det_back, -log_det, atol=1e-14)
        np.testing.assert_allclose(back, z, rtol=1e-9, atol=1e-9)


forward = jax.jit(lambda flow, z: flow.forward(z))
inverse = jax.jit(lambda flow, x: flow.inverse(x))


def plane(name):
    """Flows of the plane, smooth enough for quadrature."""
    rng = np.random.default_rng(3)
    spline = RationalQuadraticSpline
    layers = {
        "coupling": lambda: Chain(
            (coupling(rng, (True, False)), linear(rng, 2), coupling(rng, (False, True)), linear(rng, 2))
        ),
        "spline": lambda: Chain(
            (coupling(rng, (True, False), spline, 11), coupling(rng, (False, True), spline, 11))
        ),
        "autoregressive": lambda: MaskedAutoregressive(Bound(made(rng, 2, 2), causal), affine),
        "inverse autoregressive": lambda: Invert(
            MaskedAutoregressive(Bound(made(rng, 2, 2), causal), affine)
        ),
    }
    return layers[name]()


PLANES = ["coupling", "spline", "autoregressive", "inverse autoregressive"]


def grid_mass(flow, center, half, num_cells):
    """The density summed over a box by the midpoint rule."""
    ticks = (np.arange(num_cells) + 0.5) * 2 / num_cells - 1
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2) * half + center
    log_probs = _log_probs(flow, jnp.asarray(grid, jax.tree.leaves(flow)[0].dtype))
    return np.exp(np.asarray(log_probs, np.float64)).sum() * half.prod() * 4 / num_cells**2


@jax.jit
def _log_probs(flow, grid):
    return jax.lax.map(lambda x: log_prob(flow, x), grid, batch_size=10_000)


@pytest.mark.parametrize("name", PLANES)
def test_densities_integrate_to_one_on_a_grid(name):
    flow = plane(name)
    z = jax.random.normal(jax.random.key(0), (2000, 2))
    corners = np.asarray(jax.jit(jax.vmap(flow.forward))(z)[0])
    center, half = corners.mean(0), 1.6 * np.abs(corners - corners.mean(0)).max(0)
    assert abs(grid_mass(flow, center, half, 600) - 1) < 1e-3


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "autoregressive")) for n in PLANES]
)
def test_the_mass_of_a_box_is_that_of_its_preimage(name, x64):
    """The density summed over a box against the fraction of base draws whose images lie in it."""
    flow = jax.tree.map(lambda leaf: leaf.astype(float), plane(name))
    n = 100_000
    images = np.asarray(jax.jit(jax.vmap(flow.forward))(jax.random.normal(jax.random.key(1), (n, 2)))[0])
    rng = np.random.default_rng(5)
    for _ in range(10):
        center, half = images[rng.integers(n)], rng.uniform(0.2, 1.5, 2)
        mass = grid_mass(flow, center, half, 300)
        fraction = (np.abs(images - center) < half).all(1).mean()
        # The standard error is about 1e-3; the grid's own error, seen by refining it, is below 3e-5.
        assert abs(mass - fraction) < 4 * np.sqrt(mass * (1 - mass) / n) + 3e-5


@settings(max_examples=30)
@for_all(st.floats(-4, 4), st.floats(0.01, 3), st.integers(0, 20))
def test_the_mass_of_an_interval_is_that_of_its_preimage_exactly(lower, width, seed):
    """In one dimension the pre-image is an interval, whose base mass SciPy knows."""
    with jax.enable_x64(True):
        spline = RationalQuadraticSpline(jnp.asarray(np.random.default_rng(seed).normal(size=8)))
        flow = Chain((line(0.3, 0.8), spline))
        # Gauss–Legendre between the knots, where the density is smooth; 400 nodes, because a bin 70 times higher
        # than wide has a pole near the line: 100 leave 1e-6, 400 leave 1e-12.
        knots = spline._parameters(jnp.zeros(()))[1]
        edges = np.clip([lower, -3, *knots, lower + width], lower, lower + width)
        edges.sort()
        nodes, weights = gauss_legendre(400)
        half = np.diff(edges)[:, None] / 2
        log_probs, ends = _on_line(
            flow, jnp.asarray(edges[:-1, None] + half * (1 + nodes)), jnp.asarray(edges)
        )
        mass = (np.exp(log_probs) * weights * half).sum()
        np.testing.assert_allclose(mass, np.ptp(scipy.stats.norm.cdf(ends)), atol=1e-9)


@jax.jit
def _on_line(flow, grid, edges):
    return jax.vmap(jax.vmap(lambda x: log_prob(flow, x)))(grid), jax.vmap(flow.inverse)(edges)[0]


def test_bits_per_dim_through_the_logit_is_the_count_by_hand(x64):
    """Pixels → dequantised → logit → Gaussian: the flow's density is that of the dequantised pixels themselves."""
    alpha, mean, log_std = 0.05, 0.3, 0.4
    levels = jnp.array([0, 3, 200, 255])
    u = genjax.dequantize(levels, jnp.array([0.0, 0.2, 0.9, 0.999]))
    flow = Chain((Affine(jnp.full(4, mean), jnp.full(4, log_std)), Sigmoid(alpha)))
    bits = genjax.bits_per_dim(negative_log_likelihood(flow, u), 4)
    s = alpha + (1 - 2 * alpha) * np.asarray(u)
    by_hand = scipy.stats.norm.logpdf(scipy.special.logit(s), mean, np.exp(log_std))
    by_hand = by_hand + np.log(1 - 2 * alpha) - np.log(s) - np.log(1 - s)
    expected = -by_hand.sum() / (4 * np.log(2)) + 8
    np.testing.assert_allclose(bits, expected, rtol=1e-12)
    via_logit = Chain((flow.bijectors[0], Invert(Logit(alpha))))
    np.testing.assert_allclose(log_prob(via_logit, u), log_prob(flow, u), rtol=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.05])
def test_the_density_on_the_unit_interval_integrates_to_one(alpha, x64):
    """Over the whole range of the sigmoid, which with α > 0 reaches a little beyond 0 and 1."""
    flow = Chain((line(0.3, 1.2), Sigmoid(alpha)))
    nodes, weights = gauss_legendre(400)
    x = (nodes + 1) / 2 / (1 - 2 * alpha) - alpha / (1 - 2 * alpha)
    density = jax.jit(jax.vmap(lambda x: jnp.exp(log_prob(flow, x))))(jnp.asarray(x))
    np.testing.assert_allclose(density @ weights / 2 / (1 - 2 * alpha), 1.0, rtol=1e-6)


@pytest.mark.parametrize("z", [-30.0, -5.0, 0.0, 12.0, 30.0])
def test_the_sigmoids_log_det_holds_in_float32_where_the_sigmoid_saturates(z):
    expected = scipy.stats.logistic.logpdf(z)
    value, gradient = jax.value_and_grad(lambda z: Sigmoid().forward(z)[1])(jnp.array(z))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, -np.tanh(z / 2), rtol=1e-6, atol=1e-7)


def test_pixels_near_both_ends_keep_their_digits_in_float32():
    u = jnp.array([1e-12, 1e-3, 1 - 2.0**-20])
    z, log_det = Logit().forward(u)
    exact = scipy.special.logit(np.asarray(u, np.float64))
    np.testing.assert_allclose(z, exact, rtol=1e-6)
    np.testing.assert_allclose(log_det, -scipy.stats.logistic.logpdf(exact).sum(), rtol=1e-6)


def test_squeeze_keeps_blocks_together():
    image = jnp.arange(16.0).reshape(4, 4, 1)
    squeezed, _ = Squeeze().forward(image)
    np.testing.assert_array_equal(squeezed[0, 0], [0, 1, 4, 5])
    np.testing.assert_array_equal(squeezed[1, 0], [8, 9, 12, 13])


def test_fixed_stops_gradients_of_parameters_and_not_of_data():
    rng = np.random.default_rng(0)
    inner = coupling(rng, (True, False))
    flow = Chain((Fixed(inner), Affine(array(rng, 2), array(rng, 2))))
    x = jnp.array([0.4, -1.0])
    for loss in (log_prob, lambda f, x: reverse_kl_integrand(f, lambda y: -jnp.sum(y**4), x)):
        parameters, data = jax.jit(jax.grad(loss, (0, 1)))(flow, x)
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(parameters.bijectors[0]))
        assert all((leaf != 0).any() for leaf in jax.tree.leaves(parameters.bijectors[1]))
        free = jax.jit(jax.grad(loss, 1))(Chain((inner, flow.bijectors[1])), x)
        np.testing.assert_array_equal(data, free)


def test_unused_outputs_of_a_conditioner_do_no_harm():
    """What a network says about passing coordinates may overflow: value and gradient stay finite."""
    conditioner = Bound(jnp.array(1e38), lambda w, x: jnp.stack([w * 100, w * 100, x[0], x[0]]))
    layer = Coupling(conditioner, lambda raw: Affine(raw[0], raw[1]), (True, False))
    value, gradient = jax.jit(jax.value_and_grad(log_prob, (0, 1)))(layer, jnp.array([0.5, 1.0]))
    expected = scipy.stats.norm.logpdf(0.5) + scipy.stats.norm.logpdf(1.0, 0.5, np.exp(0.5))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_maximum_likelihood_recovers_mean_and_standard_deviation(x64):
    x = jnp.asarray(np.random.default_rng(0).normal(3.0, 0.5, size=(200, 1)))
    loss = lambda flow: jnp.mean(jax.vmap(lambda x: negative_log_likelihood(flow, x))(x))
    optimum = Affine(x.mean(0), jnp.log(x.std(0)))
    np.testing.assert_allclose(jax.tree.leaves(jax.jit(jax.grad(loss))(optimum)), 0.0, atol=1e-12)
    total_slope = lambda f: sum(map(jnp.sum, jax.tree.leaves(jax.grad(loss)(f))))
    hessian_diagonal = jax.jit(jax.grad(total_slope))(optimum)
    assert all((leaf > 0).all() for leaf in jax.tree.leaves(hessian_diagonal))
