"""Divergences against the reference numbers of the texts, quadrature and SciPy."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from genjax.densities import normal_log_prob
from genjax.divergences import (
    gaussian_frechet_distance,
    js_categorical,
    kl_categorical,
    kl_normal,
    kl_standard_normal,
)


@pytest.mark.parametrize(
    ("mean", "log_var", "expected"),
    [
        ((0.3, -0.5, 1.2), (-0.2, 0.1, -0.5), 0.9552162),
        ((0.2, -0.5, 1.0), (-0.1, 0.3, 0.0), 0.6723481),
        ((0.5, -0.2), (0.0, -1.0), 0.3289397),
    ],
)
def test_diagonal_gaussian_kl_reference_values(mean, log_var, expected, x64):
    np.testing.assert_allclose(kl_standard_normal(jnp.array(mean), jnp.array(log_var)), expected, atol=1e-7)


def test_gaussian_kl_is_its_definition_by_quadrature(x64):
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    mean_q, log_var_q, mean_p, log_var_p = (jnp.array([v]) for v in (0.4, -0.6, -0.3, 0.5))
    z = jax.vmap(lambda node: mean_q + jnp.exp(log_var_q / 2) * node)(jnp.asarray(nodes))
    log_ratio = jax.vmap(
        lambda z: normal_log_prob(z, mean_q, log_var_q) - normal_log_prob(z, mean_p, log_var_p)
    )(z)
    expected = weights @ np.asarray(log_ratio) / weights.sum()
    np.testing.assert_allclose(kl_normal(mean_q, log_var_q, mean_p, log_var_p), expected, rtol=1e-12)
    zero = jnp.zeros(1)
    np.testing.assert_allclose(
        kl_normal(mean_q, log_var_q, zero, zero), kl_standard_normal(mean_q, log_var_q), rtol=1e-13
    )


@pytest.mark.parametrize("log_var", [-60.0, -1e-3, 0.0, 60.0])
def test_kl_at_extreme_variances_in_float32(log_var):
    value, gradient = jax.value_and_grad(kl_standard_normal, 1)(jnp.zeros(1), jnp.array([log_var]))
    exact = 0.5 * (np.expm1(np.float64(log_var)) - log_var)
    np.testing.assert_allclose(value, exact, rtol=1e-4, atol=1e-10)
    np.testing.assert_allclose(gradient, 0.5 * np.expm1(np.float64([log_var])), rtol=1e-6, atol=6e-8)


def gaussian_kl(log_ratio):
    """KL of N(0, exp(v)) from N(0, 1), in fractions where doubles would cancel."""
    if abs(log_ratio) > 1:
        return (math.expm1(log_ratio) - log_ratio) / 2
    v = Fraction(log_ratio)
    return float(sum(v**n / math.factorial(n) for n in range(2, 30)) / 2)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-6), (np.float64, 2e-15)])
def test_gaussians_of_nearly_one_variance_keep_every_digit(dtype, rtol, x64):
    sizes = np.concatenate([np.logspace(-9, 1, 60), [0.4999, 0.5, 0.5001, 0.0999, 0.1001]])
    log_vars = np.concatenate([sizes, -sizes]).astype(dtype)
    exact = np.array([gaussian_kl(float(v)) for v in log_vars])
    slope = np.expm1(log_vars.astype(float)) / 2
    zero = jnp.zeros((), dtype)
    standard = jax.vmap(jax.value_and_grad(lambda v: kl_standard_normal(zero, v)))(log_vars)
    from_q = jax.vmap(jax.value_and_grad(lambda v: kl_normal(zero, v, zero, zero)))(log_vars)
    from_p = jax.vmap(jax.value_and_grad(lambda v: kl_normal(zero, zero, zero, -v)))(log_vars)
    for value, gradient in (standard, from_q, from_p):
        np.testing.assert_allclose(value, exact, rtol=rtol)
        np.testing.assert_allclose(gradient, slope, rtol=rtol)
    curvature = jax.vmap(jax.grad(jax.grad(lambda v: kl_standard_normal(zero, v))))(log_vars)
    np.testing.assert_allclose(curvature, np.exp(log_vars.astype(float)) / 2, rtol=rtol, atol=rtol)


def test_zero_probabilities_cost_nothing_by_value_and_gradient():
    p, q = jnp.array([1.0, 0.0]), jnp.array([0.25, 0.75])
    value, (grad_p, grad_q) = jax.value_and_grad(kl_categorical, (0, 1))(p, q)
    np.testing.assert_allclose(value, np.log(4), rtol=1e-6)
    np.testing.assert_allclose(grad_p, [np.log(4) + 1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(grad_q, [-4.0, 0.0], rtol=1e-6)
    assert kl_categorical(q, p) == jnp.inf
    # Through a softmax that underflows, the gradient of the logits is exact and finite.
    gradient = jax.grad(lambda logits: js_categorical(jax.nn.softmax(logits), q))(jnp.array([0.0, -200.0]))
    np.testing.assert_allclose(gradient, [0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("q", "expected"),
    [((0.5, 0.1, 0.1, 0.1, 0.2), 0.1464468), ((0.12, 0.18, 0.38, 0.22, 0.10), 0.0010849)],
)
def test_jensen_shannon_reference_values(q, expected, x64):
    p = jnp.array([0.1, 0.2, 0.4, 0.2, 0.1])
    np.testing.assert_allclose(js_categorical(p, jnp.array(q)), expected, atol=1e-7)


def close_distributions(dtype):
    """Pairs over 1 to 40 outcomes, some of them impossible, that differ by 1e-9 to 1e2 relative."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        k = int(rng.integers(1, 41))
        p = rng.dirichlet(np.full(k, 0.3)) + 1e-3
        p[rng.random(k) < 0.1] = 0.0
        p[0] += 1e-3
        q = p * np.exp(10 ** rng.uniform(-9, 0.7) * rng.normal(size=k))
        yield tuple(np.pad(a / a.sum(), (0, 40 - k)).astype(dtype) for a in (p, q))


def exact_terms(p, q):
    """The term p log(p/q) − p + q for one pair of numbers, with its log ratio, to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        p, q = Decimal(float(p)), Decimal(float(q))
        log_ratio = (p / q).ln() if p > 0 else Decimal(0)
        return p * log_ratio - p + q, log_ratio


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 2e-14)])
def test_divergences_of_close_distributions_keep_their_digits_and_are_not_negative(dtype, rtol, x64):
    kl, js = (jax.jit(jax.value_and_grad(f, (0, 1))) for f in (kl_categorical, js_categorical))
    for p, q in close_distributions(dtype):
        m = (p + q) / 2
        (to_q, log_pq), (p_to_m, log_pm), (q_to_m, log_qm) = (
            zip(*map(exact_terms, a, b), strict=True) for a, b in ((p, q), (p, m), (q, m))
        )
        present = p > 0
        value, gradient = kl(p, q)
        np.testing.assert_allclose(value, float(sum(to_q)), rtol=rtol)
        np.testing.assert_allclose(
            gradient[0], np.where(present, 1 + np.array(log_pq, float), 0), rtol=rtol, atol=rtol
        )
        np.testing.assert_allclose(gradient[1], -p / np.where(present, q, 1), rtol=rtol)
        assert value >= 0
        value, gradient = js(p, q)
        np.testing.assert_allclose(value, float(sum(p_to_m) + sum(q_to_m)) / 2, rtol=rtol)
        for got, logs in zip(gradient, (log_pm, log_qm), strict=True):
            np.testing.assert_allclose(got, np.array(logs, float) / 2, rtol=rtol)
        assert value >= 0
        np.testing.assert_array_equal(kl(p, p)[0], 0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_jensen_shannon_lies_between_zero_and_log_two(pairs):
    table = np.array(pairs) + np.array([[1e-3, 0]] + [[0, 1e-3]] * (len(pairs) - 1))
    p, q = (jnp.asarray(column / column.sum(), jnp.float32) for column in table.T)
    assert 0 <= js_categorical(p, q) <= np.log(2) + 1e-6
    assert abs(js_categorical(p, q) - js_categorical(q, p)) < 1e-6
    assert js_categorical(p, p) == 0


def test_frechet_reference_value_and_matrix_root(x64):
    value = gaussian_frechet_distance(
        jnp.zeros(2), jnp.eye(2), jnp.array([0.5, -0.25]), jnp.diag(jnp.array([1.2, 0.8]))
    )
    np.testing.assert_allclose(value, 0.3327554, atol=1e-7)
    rng = np.random.default_rng(1)
    a, b = (m @ m.T for m in rng.normal(size=(2, 4, 4)))
    mean_a, mean_b = rng.normal(size=(2, 4))
    expected = np.sum((mean_a - mean_b) ** 2) + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    value = gaussian_frechet_distance(*map(jnp.asarray, (mean_a, a, mean_b, b)))
    np.testing.assert_allclose(value, expected, rtol=1e-8)
    assert abs(gaussian_frechet_distance(*map(jnp.asarray, (mean_a, a, mean_a, a)))) < 1e-10


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("apart", [1.0, 1e-2])
def test_frechet_in_float32_has_the_value_and_gradient_of_float64(condition, apart):
    """Against the matrix square root in float64, whose differential is I − T, T = A^-½ (A^½ B A^½)^½ A^-½."""
    rng = np.random.default_rng(3)
    root = lambda a: scipy.linalg.sqrtm(a).real
    basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    a = (basis * np.geomspace(1 / condition**0.5, condition**0.5, 12)) @ basis.T
    mix = np.eye(12) + apart * rng.normal(size=(12, 12)) / 12**0.5
    b = mix @ a @ mix.T
    a, b, mean_a, mean_b = (np.float32(v) for v in (a, b, rng.normal(size=12), rng.normal(size=12)))
    value, gradients = jax.value_and_grad(gaussian_frechet_distance, (0, 1, 2, 3))(
        *map(jnp.asarray, (mean_a, a, mean_b, b))
    )
    a, b, mean_a, mean_b = (np.float64(v) for v in (a, b, mean_a, mean_b))
    half = root(a)
    middle, inverse = root(half @ b @ half), np.linalg.inv(half)
    shift = 2 * (mean_a - mean_b)
    expected = [shift, np.eye(12) - inverse @ middle @ inverse, -shift]
    expected.append(np.eye(12) - np.linalg.inv(expected[1] * -1 + np.eye(12)))
    of_covariances = np.trace(a + b - 2 * middle)
    np.testing.assert_allclose(value, shift @ shift / 4 + of_covariances, rtol=1e-5)
    for gradient, right in zip(gradients, expected, strict=True):
        round_off = 4 * 1.2e-7 * 12 * condition**0.5  # of L⁻¹, relative to the map
        assert np.linalg.norm(gradient - right) < round_off * max(1, np.linalg.norm(right))


def test_frechet_refuses_what_is_no_covariance():
    indefinite = jnp.diag(jnp.array([1.0, -0.1]))
    arguments = (jnp.zeros(2), jnp.eye(2), jnp.zeros(2), indefinite)
    with pytest.raises(
        ValueError, match=r"of cov_a and cov_b over their largest must not be negative; got -0\.1"
    ):
        gaussian_frechet_distance(*arguments)
    assert np.isnan(jax.jit(gaussian_frechet_distance)(*arguments))


def test_frechet_takes_singular_covariances(x64):
    flat = jnp.diag(jnp.array([4.0, 0.0]))
    value = gaussian_frechet_distance(jnp.zeros(2), flat, jnp.zeros(2), jnp.eye(2))
    np.testing.assert_allclose(value, (2 - 1) ** 2 + 1, rtol=1e-12)
