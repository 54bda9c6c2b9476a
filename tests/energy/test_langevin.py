"""The adjusted chain leaves its density as it is, at step sizes where the unadjusted one does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.energy import metropolis_langevin
from genjax.oracles import GaussianMixture

N = 40_000


def chains(energy, x, seed=1, **options):
    run = lambda key, x: metropolis_langevin(key, energy, x, **options)
    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(seed), len(x)), x)


def test_the_stationary_variance_is_one_where_the_unadjusted_chain_has_more():
    eta, num_steps = 0.5, 20
    x = jax.random.normal(jax.random.key(0), (N,))
    adjusted = chains(lambda x: x**2 / 2, x, step_size=eta, num_steps=num_steps).x
    error = np.sqrt(2 / N)
    assert abs(jnp.var(adjusted) - 1) < 4 * error
    noises = np.random.default_rng(2).normal(size=(num_steps, N))
    unadjusted = np.asarray(x)
    for noise in noises:
        unadjusted = unadjusted - eta * unadjusted + np.sqrt(2 * eta) * noise
    biased = 1 / (1 - eta / 2)
    assert abs(np.var(unadjusted) - biased) < 4 * biased * error


@pytest.mark.slow
def test_a_start_away_from_the_density_reaches_it():
    x = chains(lambda x: x**2 / 2, jnp.full(N, 3.0), step_size=0.5, num_steps=60).x
    assert abs(jnp.mean(x)) < 4 / np.sqrt(N)
    assert abs(jnp.var(x) - 1) < 4 * np.sqrt(2 / N)


def test_one_step_leaves_a_mixture_invariant():
    mixture = GaussianMixture(
        jnp.array([0.3, 0.7]),
        jnp.array([[-1.0, 0.0], [1.0, 0.5]]),
        jnp.array([[[0.4, 0.1], [0.1, 0.3]], [[0.5, -0.2], [-0.2, 0.6]]]),
    )
    x = mixture.sample(jax.random.key(0), N)
    y, acceptance = chains(lambda x: -mixture.log_prob(x), x, step_size=0.3)
    assert 0.5 < jnp.mean(acceptance) < 0.95  # a step size at which refusals matter
    np.testing.assert_allclose(
        jnp.mean((y != x).any(axis=1)), jnp.mean(acceptance), atol=4 * 0.5 / np.sqrt(N)
    )
    for moment in (lambda x: x, jnp.square, lambda x: x[:, :1] * x[:, 1:], jnp.sin):
        change = np.asarray(moment(y) - moment(x))
        assert (np.abs(change.mean(0)) < 4 * change.std(0) / np.sqrt(N)).all()


def test_a_flat_energy_accepts_every_step_and_a_wall_is_never_crossed():
    x = jnp.zeros((3, 2))
    np.testing.assert_array_equal(chains(lambda x: 0 * jnp.sum(x), x, step_size=2.0).acceptance, jnp.ones(3))
    half_line = lambda x: jnp.where(x > 0, x**2 / 2, jnp.inf)
    start = jnp.abs(jax.random.normal(jax.random.key(0), (N,)))
    x = chains(half_line, start, step_size=0.5, num_steps=5).x
    assert (x > 0).all()
    assert abs(jnp.mean(x) - np.sqrt(2 / np.pi)) < 4 * np.sqrt((1 - 2 / np.pi) / N)
