"""Flow matching is diffusion on straight lines; pairings, one-step maps and paths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from genjax import diffusion as D
from genjax import flow_matching as F

from .models import mixture

P = D.Prediction


def test_it_is_denoising_with_the_rectified_schedule_and_a_velocity():
    key, x0 = jax.random.key(0), jnp.array([0.5, -1.0])
    fn = lambda x, t: jnp.sin(x) * t
    k_time, k_noise = jax.random.split(key)
    noise = jax.random.normal(k_noise, (2,))
    loss = D.denoising_loss(key, fn, D.rectified(), x0, prediction=P.VELOCITY)
    np.testing.assert_allclose(loss, F.conditional_flow_matching(k_time, fn, x0, noise), rtol=1e-5)


@pytest.mark.slow
def test_the_best_velocity_carries_noise_to_the_mixture():
    mix = mixture()
    velocity = mix.predict(D.rectified(), P.VELOCITY)
    noise = jax.random.normal(jax.random.key(0), (4000, 2))
    x = jax.jit(jax.vmap(lambda e: F.sample(velocity, e, num_steps=60, sampler=D.heun())))(noise)
    mean = mix.weights @ mix.means
    np.testing.assert_allclose(x.mean(0), mean, atol=0.09)
    second = np.einsum("k,kij->ij", mix.weights, mix.covs + mix.means[:, :, None] * mix.means[:, None])
    np.testing.assert_allclose(np.cov(x.T), second - np.outer(mean, mean), atol=0.12)
    point = jnp.array([0.3, -0.2])
    np.testing.assert_allclose(F.log_prob(jax.random.key(0), velocity, point), mix.log_prob(point), atol=1e-3)


@pytest.mark.parametrize("shape", [(9, 2), (6, 2, 3)])
def test_pairing_is_the_optimal_permutation_and_moves_no_data(shape):
    rng = np.random.default_rng(0)
    x0, noise = jnp.float32(rng.normal(size=shape)), jnp.float32(rng.normal(size=shape))
    p = jax.jit(F.minibatch_ot_pairing)(x0, noise)
    flat = lambda a: np.asarray(a).reshape(len(a), -1)
    _, best = linear_sum_assignment(cdist(flat(x0), flat(noise), "sqeuclidean"))
    np.testing.assert_array_equal(p, best)
    assert sorted(p.tolist()) == list(range(len(p)))
    swapped = F.minibatch_ot_pairing(x0, noise, assign=lambda cost: jnp.arange(len(cost))[::-1])
    assert swapped.tolist() == list(range(len(p)))[::-1]


M, V = 0.7, 0.25


def spread(t):
    return jnp.sqrt((1 - t) ** 2 * V + t**2)


def velocity(x, t):
    """Of N(m, v) data: the derivative of the flow map m(1 − t) + s_t z."""
    return -M + ((V + 1) * t - V) / ((1 - t) ** 2 * V + t**2) * (x - M * (1 - t))


def average_velocity(x, r, t):
    """Known exactly, because the flow map from t to r is m(1 − r) + (s_r/s_t)(x − m(1 − t))."""
    gap = t - r
    moved = M * (1 - r) + spread(r) / spread(t) * (x - M * (1 - t))
    return jnp.where(gap > 0, (x - moved) / jnp.where(gap > 0, gap, 1.0), velocity(x, t))


def test_the_average_velocity_solves_the_mean_flow_identity(x64):
    """With the marginal velocity as the tangent: u = v − (t − r) du/dt."""
    for r, t, x in ((0.2, 0.9, 0.4), (0.0, 1.0, -1.3), (0.5, 0.6, 2.0)):
        args = (jnp.array([x]), jnp.array(r), jnp.array(t))
        value, slope = jax.jvp(
            average_velocity, args, (velocity(args[0], args[2]), jnp.array(0.0), jnp.array(1.0))
        )
        np.testing.assert_allclose(value, velocity(args[0], args[2]) - (t - r) * slope, atol=1e-9)
        one_step = args[0] - (t - r) * value
        np.testing.assert_allclose(one_step, M * (1 - r) + spread(r) / spread(t) * (args[0] - M * (1 - t)))


def test_the_mean_gradient_is_zero_at_the_exact_average_velocity_and_only_under_stop_gradient():
    n = 40_000
    keys = jax.random.split(jax.random.key(0), n)

    def gradient(loss):
        def one(key):
            k_x, k_e, k_t = jax.random.split(key, 3)
            x0 = M + np.sqrt(V) * jax.random.normal(k_x, (1,))
            r, t = jnp.sort(jax.random.uniform(k_t, (2,)))
            noise = jax.random.normal(k_e, (1,))
            return jax.grad(lambda c: loss(lambda x, r, t: c * average_velocity(x, r, t), x0, r, t, noise))(
                1.0
            )

        values = jax.jit(jax.vmap(one))(keys)
        return values.mean(), values.std() / np.sqrt(n)

    mean, error = gradient(F.mean_flow_error)
    assert abs(mean) < 4 * error

    def without_stop(u, x0, r, t, noise):
        x_t, v = (1 - t) * x0 + t * noise, noise - x0
        value, slope = jax.jvp(u, (x_t, r, t), (v, jnp.zeros(()), jnp.ones(())))
        return jnp.sum((value - v + (t - r) * slope) ** 2)

    mean, error = gradient(without_stop)
    assert abs(mean) > 10 * error


def test_at_equal_times_it_is_the_flow_matching_error():
    x0, noise = jnp.array([0.5]), jnp.array([-1.0])
    u = lambda x, r, t: jnp.sin(x) * t
    both = (
        F.mean_flow_error(u, x0, 0.4, 0.4, noise),
        F.flow_matching_error(lambda x, t: u(x, t, t), x0, 0.4, noise),
    )
    np.testing.assert_allclose(*both, rtol=1e-6)
    with pytest.raises(ValueError, match=r"r must be at most t; got 0\.6"):
        F.mean_flow_error(u, x0, 0.6, 0.4, noise)
    assert np.isnan(jax.jit(lambda r: F.mean_flow_error(u, x0, r, 0.4, noise))(0.6))


def test_straight_paths_have_the_energy_of_their_shift_and_bent_ones_more():
    shift = lambda x, t: jnp.array([3.0, 4.0])
    energy, bend = F.path_energy(shift, jnp.zeros(2), num_steps=5)
    np.testing.assert_allclose([energy, bend], [25, 0], atol=1e-5)
    turn = lambda x, t: jnp.stack([-x[1], x[0]])
    energy, bend = F.path_energy(turn, jnp.array([1.0, 0.0]), num_steps=2000)
    np.testing.assert_allclose(energy, 1, rtol=1e-2)
    np.testing.assert_allclose(bend, 1 - 2 * (1 - np.cos(1)), rtol=2e-2)  # less the squared chord


def test_reflow_of_a_gaussian_is_straight():
    """Pairs of noise and what the flow makes of it: their average velocity is constant along each line."""
    average = lambda x, t: average_velocity(x, jnp.zeros(()), jnp.ones(()))
    start = jnp.array([1.3])
    end = F.sample(lambda x, t: velocity(x, t), start, num_steps=400, sampler=D.heun())
    np.testing.assert_allclose(start - average(start, 1.0), end, atol=1e-3)
