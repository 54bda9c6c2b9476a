"""Sums of exponentials that grow by chunks: many terms, terms of zero, any chunk, against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax._log_sum import LogSum, log_sum_exp
from genjax.energy import log_partition_enumeration, log_partition_quadrature
from genjax.vae import log_mean_weight

KEY = jax.random.key(0)
PATTERNS = {
    "none is zero": lambda i: np.zeros_like(i, bool),
    "zeros first": lambda i: i < 35,
    "zeros last": lambda i: i >= 20,
    "zeros amid": lambda i: (i >= 11) & (i < 48),
    "one is left": lambda i: i != 30,
}


def terms(pattern):
    """Logs of 61 terms over 600 nats, some of them −∞, and their log-sum and softmax in float64."""
    i = np.arange(61)
    logs = np.where(PATTERNS[pattern](i), -np.inf, 300 * np.sin(i * 1.7))
    total = np.logaddexp.reduce(logs)
    return logs, total, np.exp(logs - total)


def streamed(logs, chunk_size):
    chunks = jnp.pad(logs, (0, -logs.size % chunk_size), constant_values=-jnp.inf).reshape(-1, chunk_size)
    total, _ = jax.lax.scan(lambda total, chunk: (total.add(chunk), None), LogSum.empty(logs.dtype), chunks)
    return total.log()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("chunk_size", [1, 4, 61])
def test_a_sum_in_chunks_is_the_sum_in_value_and_gradient(pattern, chunk_size):
    logs, total, softmax = terms(pattern)
    value, gradient = jax.value_and_grad(streamed)(jnp.asarray(logs, jnp.float32), chunk_size)
    np.testing.assert_allclose(value, total, rtol=1e-6)
    np.testing.assert_allclose(gradient, softmax, atol=1e-4)
    value, gradient = jax.value_and_grad(log_sum_exp)(jnp.asarray(logs, jnp.float32))
    np.testing.assert_allclose(value, total, rtol=1e-6)
    np.testing.assert_allclose(gradient, softmax, atol=1e-4)


@pytest.mark.parametrize("chunk_size", [1, 4, 61])
def test_a_sum_of_nothing_is_zero_and_does_not_move(chunk_size):
    value, gradient = jax.value_and_grad(streamed)(jnp.full(61, -jnp.inf), chunk_size)
    assert value == -jnp.inf
    assert (gradient == 0).all()


@pytest.mark.parametrize("at", [0, 3, 6])
@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_a_term_that_is_no_number_is_seen(at, value):
    for chunk_size in (1, 2, 7):
        np.testing.assert_equal(np.asarray(streamed(jnp.zeros(7).at[at].set(value), chunk_size)), value)


def test_the_second_derivative_is_the_variance():
    rates = jnp.array([0.3, -0.2, 0.9, 0.1])
    logs = lambda theta: jnp.where(jnp.arange(4) < 1, -jnp.inf, theta * rates)
    second = jax.grad(jax.grad(lambda theta: streamed(logs(theta), 1)))(0.5)
    p = np.exp(0.5 * np.array([-0.2, 0.9, 0.1]))
    p, r = p / p.sum(), np.array([-0.2, 0.9, 0.1])
    np.testing.assert_allclose(second, p @ r**2 - (p @ r) ** 2, rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 7, 100])
@pytest.mark.parametrize("level", [-1e4, -90.0, 80.0])
def test_many_equal_weights_have_their_common_value_as_mean(level, chunk_size):
    value = log_mean_weight(KEY, lambda key: jnp.array(level), num_samples=500_000, chunk_size=chunk_size)
    np.testing.assert_allclose(value, level, rtol=2e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_weights_of_half_precision_are_summed_in_single(dtype):
    value = log_mean_weight(KEY, lambda key: jnp.asarray(-90.0, dtype), num_samples=5000)
    assert value.dtype == dtype
    np.testing.assert_allclose(np.float64(value), -90, rtol=4e-3)


def test_weights_of_zero_give_a_finite_gradient_whatever_the_chunk(x64):
    def value(theta, chunk_size):
        def log_weight(key):
            u = jax.random.uniform(key)
            return jnp.where(u > 0.95, -theta * u, -jnp.inf)

        return log_mean_weight(KEY, log_weight, num_samples=1000, chunk_size=chunk_size)

    u = np.array([jax.random.uniform(jax.random.fold_in(KEY, k)) for k in range(1000)])
    u = u[u > 0.95]
    weights = np.exp(-u)
    for chunk_size in (3, 10, 100, 1000):
        got = jax.value_and_grad(value)(1.0, chunk_size)
        expected = np.log(weights.sum() / 1000), -(weights * u).sum() / weights.sum()
        np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_no_draw_beyond_the_last_enters_the_gradient():
    beyond = jax.random.key_data(jax.random.fold_in(KEY, 5))  # the chunk is longer than what is left

    def log_weight(theta, key):
        return jnp.log(jnp.where((jax.random.key_data(key) == beyond).all(), 0.0, 1.0) * theta)

    slope = jax.grad(lambda t: log_mean_weight(KEY, lambda k: log_weight(t, k), num_samples=5, chunk_size=3))
    np.testing.assert_allclose(slope(2.0), 0.5, rtol=1e-6)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_states_behind_a_wall_leave_the_gradient_of_log_z_finite(pattern):
    i = np.arange(61)
    wall = np.where(PATTERNS[pattern](i), np.inf, 0.0)
    log_p = -0.07 * i - wall
    log_z = np.logaddexp.reduce(log_p)
    mean = (np.exp(log_p - log_z) * i).sum()
    for chunk_size in (1, 10, 4096):
        energy = lambda k, theta: theta * k.astype(jnp.float32) + jnp.asarray(wall, jnp.float32)[k]
        value, slope = jax.value_and_grad(
            lambda theta: (
                log_partition_enumeration(
                    lambda k: energy(k, theta),  # noqa: B023
                    jnp.arange(61),
                    chunk_size=chunk_size,  # noqa: B023
                ).log_z
            )
        )(0.07)
        np.testing.assert_allclose(value, log_z, rtol=1e-5)
        np.testing.assert_allclose(slope, -mean, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [7, 4096])
def test_a_wall_across_a_box_leaves_the_gradient_of_log_z_finite(chunk_size, x64):
    def log_z(theta):
        energy = lambda x: theta * x[0] + jnp.where(x[0] > 0.5, 0.0, jnp.inf)
        return log_partition_quadrature(
            energy, jnp.zeros(1), jnp.full(1, 2.0), num_points=400, chunk_size=chunk_size
        ).log_z

    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = 1 + nodes
    p = weights * np.exp(-0.7 * x) * (x > 0.5)
    value, slope = jax.value_and_grad(log_z)(0.7)
    np.testing.assert_allclose([value, slope], [np.log(p.sum()), -(p * x).sum() / p.sum()], rtol=1e-10)
