"""Log Z by quadrature and by enumeration against closed forms, with its error, its gradient and its cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.energy import log_partition_enumeration, log_partition_quadrature
from genjax.oracles import GaussianMixture


def gaussian(num_dims, seed=0):
    """A quadratic energy and its log Z, d/2 log 2π − ½ log det P."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(num_dims, num_dims))
    precision = factor @ factor.T / num_dims + np.eye(num_dims)
    mean = rng.normal(size=num_dims) * 0.3
    energy = lambda x: 0.5 * (x - mean) @ precision @ (x - mean)
    return energy, 0.5 * (num_dims * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1])


def quadrature(energy, lower, upper, **options):
    return jax.jit(lambda a, b: log_partition_quadrature(energy, a, b, **options))(lower, upper)


def box(num_dims, half=9.0):
    return jnp.full(num_dims, -half), jnp.full(num_dims, half)


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_quadrature_of_a_gaussian_is_its_closed_form_and_the_error_covers_a_density_that_is_resolved(
    num_dims, x64
):
    energy, log_z = gaussian(num_dims)
    for num_points in (6, 12, 24):
        coarse = quadrature(energy, *box(num_dims), num_points=num_points)
        assert jnp.abs(coarse.log_z - log_z) <= coarse.error
    fine = quadrature(energy, *box(num_dims), num_points=60)
    np.testing.assert_allclose(fine.log_z, log_z, atol=1e-10)
    assert fine.error < 1e-3


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_quadrature_of_a_normalised_mixture_is_zero(num_dims, x64):
    means = jnp.stack([jnp.full(num_dims, -1.5), jnp.full(num_dims, 1.0)])
    mixture = GaussianMixture(jnp.array([0.3, 0.7]), means, jnp.stack([jnp.eye(num_dims)] * 2))
    grid = quadrature(lambda x: -mixture.log_prob(x), *box(num_dims), num_points=60)
    np.testing.assert_allclose(grid.log_z, 0.0, atol=1e-9)


def test_the_error_says_nothing_of_a_peak_narrower_than_the_grid_and_more_points_find_it(x64):
    """Half of the mass is a peak of width 0.06 between points 0.9 apart: log Z is short by log 2, unnoticed."""
    covs = jnp.array([[[1.0]], [[0.06**2]]])
    peaks = GaussianMixture(jnp.array([0.5, 0.5]), jnp.zeros((2, 1)), covs)
    energy = lambda x: -peaks.log_prob(x)
    missed = quadrature(energy, *box(1, 6.0), num_points=20)
    np.testing.assert_allclose(missed.log_z, -np.log(2), atol=1e-3)
    assert missed.error < 0.02
    found = quadrature(energy, *box(1, 6.0), num_points=300)
    np.testing.assert_allclose(found.log_z, 0.0, atol=1e-6)


def test_the_box_may_be_uneven_and_float32_holds():
    energy = lambda x: x[0] ** 2 / 2 + jnp.abs(x[1]) * 0.0
    grid = quadrature(energy, jnp.array([-8.0, 1.0]), jnp.array([9.0, 4.0]), num_points=80)
    assert grid.log_z.dtype == jnp.float32
    np.testing.assert_allclose(grid.log_z, 0.5 * np.log(2 * np.pi) + np.log(3), rtol=1e-6)


def test_the_gradient_of_log_z_is_minus_the_expected_gradient_of_the_energy(x64):
    # E = ½ Σ θ_i x_i², so that ∂ log Z / ∂θ_i = −½ E[x_i²] = −1 / (2 θ_i).
    log_z = lambda theta: (
        log_partition_quadrature(lambda x: 0.5 * jnp.sum(theta * x**2), *box(2), num_points=64).log_z
    )
    theta = jnp.array([0.7, 2.0])
    np.testing.assert_allclose(jax.jit(jax.grad(log_z))(theta), -1 / (2 * theta), rtol=1e-8)

    states = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    energy = lambda theta, x: jnp.sum(theta * x) - 0.8 * x[0] * x[1]
    energies = jax.vmap(lambda x: energy(theta, x))(states)
    p = np.exp(-energies) / np.exp(-energies).sum()
    log_z = lambda theta: log_partition_enumeration(lambda x: energy(theta, x), states).log_z
    gradient = jax.jit(jax.grad(log_z))(theta)
    np.testing.assert_allclose(gradient, -p @ np.asarray(states), rtol=1e-12)


def test_an_infinite_energy_has_probability_zero():
    wall = lambda x: jnp.where(x[0] > 0, 0.0, jnp.inf)
    grid = quadrature(wall, jnp.array([-2.0]), jnp.array([2.0]), num_points=64)
    np.testing.assert_allclose(grid.log_z, np.log(2), rtol=1e-6)
    states = jnp.array([-1.0, 0.5, 1.0])
    log_z, error = log_partition_enumeration(lambda x: jnp.where(x > 0, -x, jnp.inf), states)
    assert error == 0
    np.testing.assert_allclose(log_z, np.log(np.exp(0.5) + np.exp(1.0)), rtol=1e-6)


def test_chunks_change_the_memory_and_not_the_value(x64):
    energy, _ = gaussian(2)
    whole = quadrature(energy, *box(2), num_points=12)
    for chunk_size in (1, 7, 144):
        chunked = quadrature(energy, *box(2), num_points=12, chunk_size=chunk_size)
        np.testing.assert_allclose(chunked.log_z, whole.log_z, rtol=1e-14)


def test_a_million_states_keep_their_digits_in_float32():
    energy = lambda i: -jnp.log1p(i.astype(jnp.float32) % 2)  # terms 1 and 2 in turn
    log_z, _ = log_partition_enumeration(energy, jnp.arange(2**20), chunk_size=2**16)
    np.testing.assert_allclose(log_z, np.log(1.5) + 20 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_the_cost_of_a_grid_is_the_points_of_an_axis_to_the_power_of_the_dimension(num_dims):
    calls = []

    def energy(x):
        jax.debug.callback(lambda _: calls.append(1), x[0])
        return jnp.sum(x**2)

    jax.block_until_ready(quadrature(energy, *box(num_dims), num_points=6, chunk_size=27))
    jax.effects_barrier()
    assert len(calls) == 6**num_dims + 3**num_dims  # the rule and the coarse one that gives its error


def test_above_three_dimensions_the_refusal_states_the_cost():
    image = 512 * 512 * 3
    for num_dims, cost in (
        (4, r"100\^4 = 10\^8\.0 energies"),
        (image, r"100\^786432 = 10\^1572864\.0 energies"),
    ):
        with pytest.raises(ValueError, match=cost):
            log_partition_quadrature(jnp.sum, *box(num_dims), num_points=100)
