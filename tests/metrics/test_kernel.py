"""The kernel distance against the sums in float64, the closed form of Gaussians, and where clipping would show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import metrics

DISTANCE = jax.jit(metrics.kernel_distance)


def brute(a, b):
    a, b = a.astype(float), b.astype(float)
    kernel = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3
    apart = lambda k: (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))
    return apart(kernel(a, a)) + apart(kernel(b, b)) - 2 * kernel(a, b).mean()


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (7, 5, 3), (300, 200, 16), (1000, 1000, 64)])
@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_it_is_the_double_sum(n, m, d, shift):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(n, d)).astype(np.float32), (rng.normal(size=(m, d)) + shift).astype(np.float32)
    np.testing.assert_allclose(DISTANCE(a, b), brute(a, b), rtol=1e-2, atol=1e-3)
    largest = np.mean((np.sum(b.astype(float) ** 2, 1) / d + 1) ** 3)
    np.testing.assert_allclose(DISTANCE(a, b), brute(a, b), atol=1e-6 * largest)


def moment_sum(mean, second, third):
    """E[k(x, y)] of independent x and y of one dimension from their moments: Σ_p C(3, p) E[x^p] E[y^p]."""
    return lambda other: 1 + 3 * mean * other[0] + 3 * second * other[1] + third * other[2]


def test_its_mean_over_sets_is_the_closed_form_of_gaussians():
    """x ~ N(μ, σ²) has E[x²] = μ² + σ² and E[x³] = μ³ + 3 μ σ²."""
    moments = lambda mu, var: (mu, mu**2 + var, mu**3 + 3 * mu * var)
    p, q = moments(0.0, 1.0), moments(0.5, 0.64)
    truth = moment_sum(*p)(p) + moment_sum(*q)(q) - 2 * moment_sum(*p)(q)
    noise = jax.random.normal(jax.random.key(0), (4000, 2, 20, 1))
    values = jax.jit(jax.vmap(lambda z: metrics.kernel_distance(z[0], 0.5 + 0.8 * z[1])))(noise)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - truth) < 4 * error
    assert truth > 8 * error  # or the test could not tell bias from truth
    # Without bias: zero in the mean for one law, and below zero about half of the time.
    same = jax.jit(jax.vmap(lambda z: metrics.kernel_distance(z[0], z[1])))(noise)
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(len(same))
    assert 0.4 < (same < 0).mean() < 0.75


def test_its_gradient_is_that_of_the_sum():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 2)), rng.normal(size=(5, 2)) + 1
    with jax.enable_x64(True):
        gradient = jax.grad(metrics.kernel_distance)(jnp.asarray(a), jnp.asarray(b))
    step = 1e-6 * np.eye(12).reshape(12, 6, 2)
    slopes = [(brute(a + h, b) - brute(a - h, b)) / 2e-6 for h in step]
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-6, atol=1e-8)
