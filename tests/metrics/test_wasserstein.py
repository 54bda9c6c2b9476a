"""Transport distances: on lines by quantiles, exact by assignment, of known laws, and at zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from genjax import metrics

KEY = jax.random.key(0)


def quantile_integral(a, b, steps=840):
    """∫ (F_a⁻¹ − F_b⁻¹)² by midpoints of a grid that both step functions' jumps lie on."""
    u = (np.arange(steps) + 0.5) / steps
    values = [np.sort(x)[np.floor(u * len(x)).astype(int)] for x in (a, b)]
    return np.mean((values[0] - values[1]) ** 2)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (3, 5), (8, 6), (1, 7)])
def test_on_a_line_it_is_the_integral_of_quantiles_for_every_key_and_any_sizes(n, m):
    rng = np.random.default_rng(10 * n + m)
    a, b = rng.normal(size=n), 2 * rng.normal(size=m) + 1
    for seed in range(2):
        value = metrics.sliced_wasserstein(
            jax.random.key(seed), jnp.float32(a)[:, None], jnp.float32(b)[:, None], num_projections=3
        )
        np.testing.assert_allclose(value, np.sqrt(quantile_integral(a, b)), rtol=1e-5)


def test_a_shift_by_c_is_worth_its_length_over_the_root_of_d():
    """The mean of (u·c)² over the sphere is |c|²/d; the standard error is that of the directions."""
    a = jax.random.normal(KEY, (50, 3))
    c = jnp.array([3.0, 0.0, -4.0])
    for num in (64, 4096):
        value = metrics.sliced_wasserstein(KEY, a, a + c[None], num_projections=num)
        # u·c/|c| is uniform on [−1, 1] in three dimensions: its square has mean 1/3 and variance 4/45.
        np.testing.assert_allclose(value**2, 25 / 3, atol=4 * 25 * np.sqrt(4 / 45 / num))


def test_the_mean_over_directions_is_taken_before_the_root():
    a, b = jnp.zeros((2, 2)), jnp.array([[3.0, 0.0], [5.0, 1.0]])
    normal = jax.random.normal(KEY, (7, 2))
    directions = np.asarray(normal / jnp.linalg.norm(normal, axis=1, keepdims=True), float)
    squares = [quantile_integral(np.zeros(2), np.asarray(b, float) @ u) for u in directions]
    value = metrics.sliced_wasserstein(KEY, a, b, num_projections=7)
    np.testing.assert_allclose(value, np.sqrt(np.mean(squares)), rtol=1e-5)
    assert abs(value - np.mean(np.sqrt(squares))) > 0.05


@pytest.mark.parametrize("d", [1, 3])
def test_the_exact_distance_is_that_of_the_best_permutation(d):
    rng = np.random.default_rng(d)
    a, b = jnp.asarray(rng.normal(size=(2, 12, d)), jnp.float32)
    cost = cdist(a, b, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost)
    value = jax.jit(metrics.wasserstein)(a, b)
    np.testing.assert_allclose(value, np.sqrt(cost[rows, columns].mean()), rtol=1e-6)
    gradient = jax.grad(metrics.wasserstein)(a, b)
    np.testing.assert_allclose(gradient, (a - b[columns]) / (12 * value), rtol=1e-5, atol=1e-7)
    identity = lambda cost: jnp.arange(len(cost))
    paired = metrics.wasserstein(a, b, assign=identity)
    np.testing.assert_allclose(paired, np.sqrt(np.mean(np.sum((a - b) ** 2, 1))), rtol=1e-6)
    if d == 1:
        lines = metrics.sliced_wasserstein(KEY, a, b, num_projections=2)
        np.testing.assert_allclose(value, lines, rtol=1e-5)


def test_gaussians_of_one_covariance_are_as_far_apart_as_their_means():
    a = jax.random.normal(KEY, (200, 2))
    moved = a[::-1] + jnp.array([[3.0, 4.0]])  # a permuted copy: the best map is the shift
    np.testing.assert_allclose(metrics.wasserstein(a, moved), 5, rtol=1e-5)


@pytest.mark.parametrize("metric", [lambda a, b: metrics.sliced_wasserstein(KEY, a, b), metrics.wasserstein])
def test_equal_sets_are_at_zero_with_a_gradient_of_zero(metric):
    a = jax.random.normal(KEY, (9, 2))
    value, gradient = jax.value_and_grad(metric)(a, a)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros((9, 2)))


def test_seeds_by_vmap_are_the_seeds_alone():
    a, b = jax.random.normal(KEY, (2, 3, 6, 2))
    together = jax.vmap(metrics.wasserstein)(a, b)
    np.testing.assert_allclose(
        together, [metrics.wasserstein(x, y) for x, y in zip(a, b, strict=True)], rtol=1e-6
    )
