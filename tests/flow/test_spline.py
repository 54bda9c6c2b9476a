"""Rational-quadratic splines: increasing, onto, smooth at the knots, and inverted to round-off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from genjax.flow import RationalQuadraticSpline, rational_quadratic_spline

WIDTHS = np.array([0.5, 2.0, 1.0, 1.5])
HEIGHTS = np.array([1.0, 0.2, 2.8, 1.0])
SLOPES = np.array([0.7, 1.5, 0.1, 3.0, 2.0])
KNOTS = np.concatenate([[0], np.cumsum(WIDTHS)]) - WIDTHS.sum() / 2
IMAGES = np.concatenate([[0], np.cumsum(HEIGHTS)]) - HEIGHTS.sum() / 2


@jax.jit
def spline(x, widths=WIDTHS, heights=HEIGHTS, slopes=SLOPES):
    parameters = [jnp.asarray(a, x.dtype) for a in (widths, heights, slopes)]
    return jax.vmap(lambda x: rational_quadratic_spline(x, *parameters))(x)


def test_it_passes_through_the_knots_with_their_slopes(x64):
    y, log_slope = spline(jnp.asarray(KNOTS))
    np.testing.assert_allclose(y, IMAGES, atol=1e-14)
    np.testing.assert_allclose(log_slope, np.log(SLOPES), atol=1e-13)


def test_the_tails_are_lines(x64):
    y, log_slope = spline(jnp.array([-1e3, -4.0, 4.0, 1e3]))
    np.testing.assert_allclose(
        y, [-2.5 + 0.7 * (-1e3 + 2.5), -2.5 - 0.7 * 1.5, 2.5 + 2 * 1.5, 2.5 + 2 * (1e3 - 2.5)], rtol=1e-14
    )
    np.testing.assert_allclose(log_slope, np.log([0.7, 0.7, 2.0, 2.0]), rtol=1e-14)


def test_it_is_the_papers_formula(x64):
    """Bin by bin, as the paper writes it, in NumPy."""
    for k in range(4):
        xi = np.linspace(0.01, 0.99, 7)
        s, d0, d1 = HEIGHTS[k] / WIDTHS[k], SLOPES[k], SLOPES[k + 1]
        denominator = s + (d1 + d0 - 2 * s) * xi * (1 - xi)
        expected = IMAGES[k] + HEIGHTS[k] * (s * xi**2 + d0 * xi * (1 - xi)) / denominator
        slope = s**2 * (d1 * xi**2 + 2 * s * xi * (1 - xi) + d0 * (1 - xi) ** 2) / denominator**2
        y, log_slope = spline(jnp.asarray(KNOTS[k] + WIDTHS[k] * xi))
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        np.testing.assert_allclose(log_slope, np.log(slope), rtol=1e-11, atol=1e-12)


def test_derivatives_in_x_and_in_every_parameter(x64):
    x = jnp.asarray(np.array([-4.0, -2.2, -1.0, 0.3, 1.2, 2.4, 7.0]))
    slope = jax.grad(lambda x: rational_quadratic_spline(x, *PARAMETERS())[0])
    derivative = jax.jit(jax.vmap(slope))(x)
    np.testing.assert_allclose(np.log(derivative), spline(x)[1], rtol=1e-12, atol=1e-12)
    check_grads(lambda *a: spline(*a), (x, *PARAMETERS()), order=2, modes=["rev"], rtol=1e-6, atol=1e-6)


def PARAMETERS():
    return tuple(map(jnp.asarray, (WIDTHS, HEIGHTS, SLOPES)))


def test_gradients_are_finite_on_knots_and_far_outside():
    """In float32: of value and log-slope, in x and in every parameter."""

    def total(x, raw):
        outputs = (*RationalQuadraticSpline(raw).forward(x), *RationalQuadraticSpline(raw).inverse(x))
        return sum(map(jnp.sum, outputs))

    raw = jnp.asarray(np.random.default_rng(0).normal(size=11), jnp.float32)
    knots = RationalQuadraticSpline(raw)._parameters(jnp.zeros(()))[:2]
    x = jnp.asarray(np.concatenate([*knots, [-1e30, -3.1, 0.0, 3.1, 1e30]]), jnp.float32)
    for raw_scaled in (raw, 0 * raw, 30 * raw):  # the last: bins and slopes at their least
        gradients = jax.jit(jax.vmap(jax.grad(total, (0, 1)), (0, None)))(x, raw_scaled)
        assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("num_bins", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 64))])
def test_in_float32_value_slope_and_gradient_are_those_of_float64(num_bins):
    """Of both maps; the slope by autodiff is the one returned, also where the secant is far below the slopes."""
    rng = np.random.default_rng(num_bins)
    raw = np.float32(3 * rng.normal(size=3 * num_bins - 1))
    x = np.float32(rng.uniform(-3, 3, size=300))

    @jax.jit
    def evaluate(raw, x):
        def both(move):
            value_and_slope = lambda x: jax.jvp(
                lambda x: move(RationalQuadraticSpline(raw))(x), (x,), (jnp.ones_like(x),)
            )
            (y, log_slope), (slope, _) = jax.vmap(value_and_slope)(x)
            by_raw = jax.grad(lambda raw: jnp.sum(jax.vmap(move(RationalQuadraticSpline(raw)))(x)[0]))(raw)
            return y, log_slope, jnp.log(slope), by_raw

        return both(lambda spline: spline.forward), both(lambda spline: spline.inverse)

    single = jax.tree.map(np.asarray, evaluate(jnp.asarray(raw), jnp.asarray(x)))
    with jax.enable_x64(True):
        double = jax.tree.map(np.asarray, evaluate(jnp.asarray(raw, float), jnp.asarray(x, float)))
    for (y, log_slope, by_autodiff, by_raw), (y64, log_slope64, _, by_raw64) in zip(
        single, double, strict=True
    ):
        # A knot is a sum known to a few ulps of 3 (2.4e-7), and a bin may be 6e-2 / K wide: so far may ξ be off.
        knot = 4 * 2.4e-7
        np.testing.assert_allclose(y, y64, atol=knot * np.exp(np.abs(log_slope64)).max())
        assert np.quantile(np.abs(log_slope - log_slope64), 0.95) < 3 * knot * num_bins / 6e-2
        np.testing.assert_allclose(by_autodiff, log_slope, atol=2e-5)
        assert np.linalg.norm(by_raw - by_raw64) < 1e-3 * np.linalg.norm(by_raw64)


def test_the_box_ends_exactly_at_its_bound():
    raw = jnp.asarray(np.random.default_rng(0).normal(size=(50, 191)) * 3, jnp.float32)
    ends = jnp.asarray([-4.0, 4.0], jnp.float32)
    forward = jax.vmap(lambda raw: jax.vmap(RationalQuadraticSpline(raw, 4.0).forward)(ends))
    y, log_slope = jax.jit(forward)(raw)
    np.testing.assert_array_equal(y, np.broadcast_to(ends, (50, 2)))
    np.testing.assert_allclose(log_slope, 0, atol=1e-6)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.1, 8))
def test_it_increases_and_its_inverse_is_exact_for_any_parameters(seed, scale):
    with jax.enable_x64(True):
        raw = jnp.asarray(np.random.default_rng(seed).normal(size=23) * scale)
        x = jnp.linspace(-3.5, 3.5, 400)
        y, log_det, back, log_det_back = _both_ways(raw, x)
        assert (np.diff(y) > 0).all()
        condition = np.exp(np.abs(log_det)).max()
        np.testing.assert_allclose(back, x, atol=1e-14 * condition)
        np.testing.assert_allclose(log_det_back, -log_det, atol=1e-11 * condition)
        outside = np.abs(x) > 3
        np.testing.assert_allclose(y[outside], x[outside], rtol=1e-14)


@jax.jit
def _both_ways(raw, x):
    flow = RationalQuadraticSpline(raw)
    y, log_det = jax.vmap(flow.forward)(x)
    back, log_det_back = jax.vmap(flow.inverse)(y)
    return y, log_det, back, log_det_back


def test_the_inverse_never_meets_a_negative_discriminant_in_float32():
    """Where b² − 4ac, computed as written, turns negative by rounding, the sum of squares does not."""
    rng = np.random.default_rng(1)
    raw = jnp.asarray(rng.normal(size=(20_000, 11)) * 6, jnp.float32)
    y = jnp.asarray(rng.uniform(-3, 3, size=20_000), jnp.float32)
    x, log_det = jax.jit(jax.vmap(lambda raw, y: RationalQuadraticSpline(raw).inverse(y)))(raw, y)
    assert np.isfinite(x).all()
    assert np.isfinite(log_det).all()
    assert (np.abs(x) <= 3 + 1e-5).all()


def test_zero_parameters_are_the_identity():
    x = jnp.linspace(-4, 4, 33)
    y, log_det = RationalQuadraticSpline(jnp.zeros((33, 14))).forward(x)
    np.testing.assert_allclose(y, x, atol=1e-6)
    assert abs(log_det) < 1e-4


@pytest.mark.parametrize("bound", [0.5, 10.0])
def test_the_box_is_the_bound(bound, x64):
    flow = RationalQuadraticSpline(jnp.asarray(np.random.default_rng(0).normal(size=11)), bound=bound)
    ends = [flow.forward(jnp.array(sign * bound))[0] for sign in (-1, 1)]
    np.testing.assert_allclose(ends, [-bound, bound], rtol=1e-14)
    assert flow.forward(jnp.array(0.9 * bound))[0] != 0.9 * bound
