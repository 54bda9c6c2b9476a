"""Log-densities against SciPy in float64, by value; their gradients are checked in test_registry."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from genjax.densities import (
    bernoulli_log_prob,
    categorical_log_prob,
    continuous_bernoulli_log_prob,
    discretized_logistic_log_prob,
    discretized_logistic_mixture_log_prob,
    discretized_normal_log_prob,
    mixture_log_prob,
    normal_log_prob,
    standard_normal_log_prob,
)

RNG = np.random.default_rng(0)


def test_normal_is_scipys(x64):
    x, mean, log_var = RNG.normal(size=(3, 2, 4))
    expected = scipy.stats.norm.logpdf(x, mean, np.exp(log_var / 2)).sum()
    np.testing.assert_allclose(normal_log_prob(*map(jnp.asarray, (x, mean, log_var))), expected, rtol=1e-13)
    np.testing.assert_allclose(
        standard_normal_log_prob(jnp.asarray(x)), scipy.stats.norm.logpdf(x).sum(), rtol=1e-13
    )


def test_a_learned_noise_level_is_the_mean_squared_error(x64):
    x, mean = map(jnp.asarray, RNG.normal(size=(2, 50)))
    log_mse = jnp.log(jnp.mean((x - mean) ** 2))
    gradient = jax.grad(lambda log_var: normal_log_prob(x, mean, log_var))
    assert abs(gradient(log_mse)) < 1e-12
    assert gradient(log_mse - 0.1) > 0 > gradient(log_mse + 0.1)
    np.testing.assert_allclose(
        normal_log_prob(x, mean, log_mse), normal_log_prob(x, mean, jnp.full(50, log_mse)), rtol=1e-13
    )


@pytest.mark.parametrize("log_var", [-60.0, -30.0, 0.0, 30.0, 60.0])
def test_normal_reaches_extreme_scales_in_float32(log_var):
    with jax.enable_x64(True):
        args = (jnp.array([0.7]), jnp.array([0.3]), jnp.array([log_var]))
        value, gradient = jax.value_and_grad(normal_log_prob, (0, 1, 2))(*args)
    # float32 subtracts before it scales: the inputs' own rounding is all it may lose.
    args = tuple(jnp.asarray(np.asarray(a), jnp.float32) for a in args)
    value32, gradient32 = jax.value_and_grad(normal_log_prob, (0, 1, 2))(*args)
    np.testing.assert_allclose(value32, value, rtol=1e-5)
    np.testing.assert_allclose(np.stack(gradient32), np.stack(gradient), rtol=1e-5)


def test_bernoulli_is_scipys(x64):
    x, logits = RNG.integers(0, 2, 20), RNG.normal(size=20) * 5
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits)).sum()
    np.testing.assert_allclose(bernoulli_log_prob(jnp.asarray(x), jnp.asarray(logits)), expected, rtol=1e-10)


@pytest.mark.parametrize("logit", [-1e4, -50.0, 0.0, 20.0, 1e4])
@pytest.mark.parametrize("x", [0, 1])
def test_bernoulli_is_exact_at_extreme_logits_in_float32(x, logit):
    signed = -logit if x else logit
    expected = -np.logaddexp(0.0, signed)
    value, gradient = jax.value_and_grad(bernoulli_log_prob, 1)(jnp.array(x), jnp.array(logit))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, x - scipy.special.expit(logit), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("logit", [-1e4, -30.0, -1.0, -0.11, -0.09, -1e-6, 0.0, 0.05, 0.5, 40.0, 1e4])
def test_continuous_bernoulli_is_normalised(logit, x64):
    # Substituting u = |ℓ| · (distance from the heavier end) puts quadrature nodes where the mass is.
    scale = max(abs(logit), 1.0)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u = (nodes + 1) / 2 * min(scale, 60.0)
    x = u / scale if logit <= 0 else 1 - u / scale
    log_probs = jax.vmap(lambda x: continuous_bernoulli_log_prob(x, jnp.array(logit)))(jnp.asarray(x))
    mass = np.sum(weights / 2 * min(scale, 60.0) / scale * np.exp(log_probs))
    np.testing.assert_allclose(mass, 1.0, rtol=1e-9)


continuous_bernoulli = jax.jit(jax.value_and_grad(continuous_bernoulli_log_prob, (0, 1)))


@pytest.mark.parametrize("logit", [-1e4, -3.0, -0.1, 0.0, 1e-4, 0.1, 7.0, 1e4])
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_continuous_bernoulli_in_float32(x, logit):
    with jax.enable_x64(True):
        expected = continuous_bernoulli(jnp.array(np.float32(x), float), jnp.array(np.float32(logit), float))
    value = continuous_bernoulli(jnp.array(x), jnp.array(logit))
    np.testing.assert_allclose(value[0], expected[0], rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(value[1], expected[1], rtol=2e-5, atol=2e-6)


def test_categorical_is_log_softmax_and_allows_excluded_classes():
    logits = jnp.array([[0.0, 1.0, -jnp.inf], [2.0, 0.0, 1.0]])
    x = jnp.array([1, 0])
    expected = sum(
        float(row[i]) - np.logaddexp.reduce(np.asarray(row)) for row, i in zip(logits, x, strict=True)
    )
    value, gradient = jax.value_and_grad(categorical_log_prob, 1)(x, logits)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, jax.nn.one_hot(x, 3) - jax.nn.softmax(logits), atol=1e-6)
    assert categorical_log_prob(jnp.array([2, 0]), logits) == -jnp.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 3, 40])
def test_categorical_keeps_every_digit_of_a_sure_class(k, dtype, x64):
    """The label leads, trails or ties by up to 80 nats, far from zero or near it: value and gradient by the odds."""
    log_prob = jax.vmap(jax.value_and_grad(partial(categorical_log_prob, jnp.array(k - 1))))
    rtol = 2 * 80 * np.finfo(dtype).eps  # exp multiplies the rounding of its argument by the argument
    leads = np.array([-80.0, -30.0, -9.0, -1.0, 0.0, 1.0, 9.0, 17.0, 30.0, 80.0])
    for level in (0.0, -512.0, 4096.0):
        logits = (level + RNG.integers(-8, 9, size=(len(leads), k)) / 4).astype(dtype)
        logits[:, k - 1] = level + leads
        gaps = logits[:, :-1].astype(float) - logits[:, -1:].astype(float)
        expected = -np.logaddexp(0.0, scipy.special.logsumexp(gaps, axis=1))
        away = np.exp(gaps + expected[:, None])  # the probabilities of the other classes
        value, gradient = log_prob(jnp.asarray(logits))
        np.testing.assert_allclose(value, expected, rtol=rtol)
        np.testing.assert_allclose(gradient[:, :-1], -away, rtol=rtol)
        np.testing.assert_allclose(gradient[:, -1], away.sum(1), rtol=rtol)


@pytest.mark.parametrize(
    ("logits", "value", "gradient"),
    [
        ([1.0, -np.inf], 0.0, [0.0, 0.0]),
        ([-300.0, -np.inf, -np.inf], 0.0, [0.0, 0.0, 0.0]),
        ([5.0], 0.0, [0.0]),
        ([-np.inf, 2.0, 2.0], -np.inf, [1.0, -0.5, -0.5]),
        ([0.0, 0.0, -np.inf], -math.log(2), [0.5, -0.5, 0.0]),
        ([-np.inf, -np.inf], np.nan, None),
    ],
)
def test_classes_that_cannot_be_have_no_share_and_leave_the_gradient_finite(logits, value, gradient):
    got, slope = jax.jit(jax.value_and_grad(partial(categorical_log_prob, jnp.array(0))))(jnp.array(logits))
    np.testing.assert_allclose(got, value, rtol=1e-6)
    if gradient is not None:
        np.testing.assert_allclose(slope, gradient, rtol=1e-6)


def test_labels_as_bytes_are_labels():
    logits = jnp.linspace(0, 1, 256)
    byte, integer = (categorical_log_prob(jnp.array(200, dtype), logits) for dtype in (jnp.uint8, jnp.int32))
    assert byte == integer


@partial(jax.jit, static_argnames="num_levels")
def logistic_table(mean, log_scale, *, num_levels):
    density = partial(discretized_logistic_log_prob, num_levels=num_levels)
    return jax.vmap(lambda x: density(x, mean, log_scale))(jnp.linspace(-1, 1, num_levels))


@given(
    mean=st.floats(-2, 2, width=32),
    log_scale=st.floats(-7, 4, width=32),
    levels=st.sampled_from([2, 17, 256]),
)
def test_discretized_logistic_sums_to_one_in_float32(mean, log_scale, levels):
    log_probs = logistic_table(jnp.float32(mean), jnp.float32(log_scale), num_levels=levels)
    assert abs(np.exp(np.asarray(log_probs, np.float64)).sum() - 1) < 1e-5


def test_discretized_logistic_is_a_difference_of_cdfs(x64):
    grid = np.linspace(-1, 1, 17)
    mean, scale = 0.2, 0.15
    edges = np.concatenate([[-np.inf], (grid[:-1] + grid[1:]) / 2, [np.inf]])
    expected = np.log(np.diff(scipy.stats.logistic.cdf(edges, mean, scale)))
    values = jax.vmap(
        lambda x: discretized_logistic_log_prob(x, jnp.array(mean), jnp.array(math.log(scale)), num_levels=17)
    )(jnp.asarray(grid))
    np.testing.assert_allclose(values, expected, rtol=1e-10)


@partial(jax.jit, static_argnames="num_levels")
def normal_table(mean, log_var, *, num_levels):
    density = partial(discretized_normal_log_prob, num_levels=num_levels)
    return jax.vmap(lambda x: density(x, mean, log_var))(jnp.linspace(-1, 1, num_levels))


@given(
    mean=st.floats(-2, 2, width=32),
    log_var=st.floats(-14, 8, width=32),
    levels=st.sampled_from([2, 17, 256]),
)
def test_discretized_normal_sums_to_one_in_float32(mean, log_var, levels):
    log_probs = normal_table(jnp.float32(mean), jnp.float32(log_var), num_levels=levels)
    assert abs(np.exp(np.asarray(log_probs, np.float64)).sum() - 1) < 1e-5


@pytest.mark.parametrize("scale", [1e-3, 0.03, 0.2, 5.0])
def test_discretized_normal_is_a_difference_of_cdfs_by_value_and_gradient(scale, x64):
    grid = np.linspace(-1, 1, 17)
    mean = 0.0625  # an edge, so that SciPy's logarithms of either tail are differenced where they keep their digits
    edges = np.concatenate([[-np.inf], (grid[:-1] + grid[1:]) / 2, [np.inf]])
    normal = scipy.stats.norm(mean, scale)
    below, above = normal.logcdf(edges), normal.logsf(edges)
    left, right = edges[1:] <= mean, edges[:-1] >= mean
    assert (left | right).all()
    largest, least = np.where(left, below[1:], above[:-1]), np.where(left, below[:-1], above[1:])
    expected = largest + np.log1p(-np.exp(least - largest))
    at_lower, at_upper = (np.exp(normal.logpdf(of) - expected) for of in (edges[:-1], edges[1:]))
    density = partial(discretized_normal_log_prob, num_levels=17)
    one = jax.value_and_grad(density, 1)
    values, slopes = jax.vmap(lambda x: one(x, jnp.array(mean), jnp.array(2 * math.log(scale))))(
        jnp.asarray(grid)
    )
    np.testing.assert_allclose(values, expected, rtol=1e-11)
    np.testing.assert_allclose(slopes, at_lower - at_upper, rtol=1e-8, atol=1e-8 / scale)


@pytest.mark.parametrize("log_scale", [-60.0, -7.0, 60.0])
@pytest.mark.parametrize("density", [discretized_logistic_log_prob, discretized_normal_log_prob])
def test_discretized_densities_have_finite_gradients_at_extreme_scales(density, log_scale):
    for x in (-1.0, 0.5, 1.0):
        value, gradient = jax.value_and_grad(density, (1, 2))(
            jnp.array([x]), jnp.array([0.3]), jnp.array([log_scale]), num_levels=5
        )
        assert np.isfinite(value)
        assert np.isfinite(np.stack(gradient)).all()


def test_mixture_of_one_component_is_the_component_and_of_two_their_average(x64):
    x, mean, log_var = map(jnp.asarray, RNG.normal(size=(3, 4)))
    alone = mixture_log_prob(normal_log_prob, x, jnp.zeros(1), mean[None], log_var[None])
    np.testing.assert_allclose(alone, normal_log_prob(x, mean, log_var), rtol=1e-13)
    means, log_vars = jnp.stack([mean, -mean]), jnp.stack([log_var, log_var])
    weights = np.array([0.3, 0.7])
    both = mixture_log_prob(normal_log_prob, x, jnp.log(jnp.asarray(weights)), means, log_vars)
    parts = [np.exp(normal_log_prob(x, m, log_var)) for m in means]
    np.testing.assert_allclose(both, np.log(weights @ np.array(parts)), rtol=1e-12)


def test_a_ruled_out_component_takes_no_part():
    x = jnp.zeros(2)
    means, log_vars = jnp.array([[0.0, 0.0], [1e6, 1e6]]), jnp.zeros((2, 2))
    logits = jnp.array([0.0, -jnp.inf])
    value, gradient = jax.value_and_grad(
        lambda means: mixture_log_prob(normal_log_prob, x, logits, means, log_vars)
    )(means)
    np.testing.assert_allclose(value, standard_normal_log_prob(x), rtol=1e-6)
    assert (gradient[1] == 0).all()


def test_logistic_mixture_sums_to_one_and_mixes_each_coordinate_alone():
    logits, means, log_scales = map(lambda a: jnp.asarray(a, jnp.float32), RNG.normal(size=(3, 2, 3)))
    grid = jnp.linspace(-1, 1, 9)
    pairs = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), -1)
    density = lambda x: discretized_logistic_mixture_log_prob(x, logits, means, log_scales, num_levels=9)
    table = jax.jit(jax.vmap(jax.vmap(density)))(pairs)
    p = np.exp(np.asarray(table, np.float64))
    np.testing.assert_allclose(p.sum(), 1.0, atol=1e-5)
    np.testing.assert_allclose(p, np.outer(p.sum(1), p.sum(0)), atol=1e-6)


def test_continuous_bernoulli_keeps_its_digits_at_every_logit():
    # Where the two forms meet (2) and where they once did (0.1); at x = 1/2 only the constant is left.
    magnitudes = np.array([1e-6, 1e-3, 0.0999, 0.1001, 0.3, 1.0, 1.999, 2.001, 8.0, 50.0])
    logits = np.concatenate([magnitudes, -magnitudes]).astype(np.float32)
    value = jax.vmap(
        jax.value_and_grad(lambda logit: continuous_bernoulli_log_prob(jnp.float32(0.5), logit))
    )(logits)
    u = logits.astype(np.float64) / 2
    small = np.abs(u) < 0.01  # a series there, because float64 cancels too
    log_quotient = np.where(small, u**2 / 6 - u**4 / 180, np.log(np.sinh(u) / u))
    slope = np.where(small, u / 3 - u**3 / 45, 1 / np.tanh(u) - 1 / u) / 2
    np.testing.assert_allclose(value[0], -log_quotient, rtol=3e-6)
    np.testing.assert_allclose(value[1], -slope, rtol=3e-6)
