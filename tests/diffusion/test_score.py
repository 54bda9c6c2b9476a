"""Score matching and Langevin dynamics: one minimiser, known chains, separated modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import energy
from genjax import score as S
from genjax.oracles import GaussianMixture

from .models import mixture


def test_statement_s23_the_langevin_update():
    x = S.langevin_step(
        lambda x: -x, jnp.array([2.0, -1.0]), jnp.array([0.3615951, 1.3040001]), step_size=0.1
    )
    np.testing.assert_allclose(x, [1.9617102, -0.3168335], atol=1e-6)


def test_the_unadjusted_chain_s_variance_and_the_adjusted_one_s():
    eta = 0.5
    keys = jax.random.split(jax.random.key(0), 20_000)
    plain = jax.vmap(lambda k: S.langevin(k, lambda x: -x, jnp.zeros(1), step_size=eta, num_steps=40))(keys)
    np.testing.assert_allclose(plain.var(), 1 / (1 - eta / 2), rtol=4 * np.sqrt(2 / 20_000))
    log_p = lambda x: jnp.sum(x**2) / 2
    adjusted = jax.vmap(
        lambda k: energy.metropolis_langevin(k, log_p, jnp.zeros(1), step_size=eta, num_steps=60).x
    )(keys)
    np.testing.assert_allclose(adjusted.var(), 1, rtol=4 * np.sqrt(2 / 20_000))


def test_a_score_is_minus_the_gradient_of_an_energy():
    """The sign convention, by the two chains of one law."""
    mix = mixture()
    energy_fn = lambda x: -mix.log_prob(x)
    x = jnp.array([0.3, -0.2])
    np.testing.assert_allclose(mix.score(x), -jax.grad(energy_fn)(x), rtol=1e-4)
    up = S.langevin_step(mix.score, x, jnp.zeros(2), step_size=1e-3)
    assert mix.log_prob(up) > mix.log_prob(x)


def test_statement_s12_denoising_implicit_and_sliced_matching_share_one_minimiser(x64):
    """On the density of data with noise, over scores a·s(x): each mean is a parabola in a with its vertex at 1."""
    mix, sigma = mixture(jnp.float64), 0.4
    noised = GaussianMixture(mix.weights, mix.means, mix.covs + sigma**2 * jnp.eye(2)[None])
    k_x, k_e, k_v = jax.random.split(jax.random.key(0), 3)
    n = 40_000
    x, e = mix.sample(k_x, n), jax.random.normal(k_e, (n, 2))
    y, v = x + sigma * e, jax.random.rademacher(k_v, (n, 2)).astype(float)
    losses = {
        "denoising": lambda fn: jax.vmap(lambda x, e: S.denoising_score_matching(fn, x, e, sigma=sigma))(
            x, e
        ),
        "implicit": lambda fn: jax.vmap(lambda y: S.implicit_score_matching(fn, y))(y),
        "sliced": lambda fn: jax.vmap(lambda y, v: S.sliced_score_matching(fn, y, v))(y, v),
        "sliced, vr": lambda fn: jax.vmap(lambda y, v: S.sliced_score_matching_vr(fn, y, v))(y, v),
    }
    spreads = {}
    for name, loss in losses.items():
        at = jax.jit(lambda a, loss=loss: loss(lambda y: a * noised.score(y)))
        low, mid, high = (np.asarray(at(a)) for a in (0.5, 1.0, 1.5))
        slope = high - low  # twice the derivative at 1, example by example, as each is a parabola
        assert abs(slope.mean()) < 4 * slope.std() / np.sqrt(n), name
        assert mid.mean() < min(low.mean(), high.mean())
        spreads[name] = mid.std()
    assert spreads["sliced, vr"] < spreads["sliced"]
    # The curvature is E‖s‖² for each of them: they differ by a constant alone.
    fisher = np.mean(np.sum(np.asarray(jax.vmap(noised.score)(y)) ** 2, 1))
    for loss in losses.values():
        at = jax.jit(lambda a, loss=loss: loss(lambda y: a * noised.score(y)).mean())
        np.testing.assert_allclose(4 * (at(0.5) + at(1.5) - 2 * at(1.0)), fisher, rtol=0.05)


def test_a_direction_keeps_its_length_and_the_trace_is_its_mean(x64):
    a, x = jnp.array([[-2.0, 1.0], [3.0, -1.0]]), jnp.array([0.5, -1.0])
    for scale in (1.0, 2.0):
        v = scale * jnp.array([1.0, 2.0])
        expected = v @ a @ v + 0.5 * (v @ (a @ x)) ** 2
        np.testing.assert_allclose(S.sliced_score_matching(lambda x: a @ x, x, v), expected)
    exact = S.implicit_score_matching(lambda x: a @ x, x)
    np.testing.assert_allclose(exact, jnp.trace(a) + 0.5 * jnp.sum((a @ x) ** 2))
    corners = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    means = jax.vmap(lambda v: S.sliced_score_matching_vr(lambda x: a @ x, x, v))(corners).mean()
    np.testing.assert_allclose(means, exact)


def test_at_one_level_it_is_denoising_matching_times_the_variance():
    score, x = lambda y, sigma: jnp.sin(y) / sigma, jnp.array([0.4, -1.0])
    key = jax.random.key(3)
    noise = jax.random.normal(jax.random.split(key)[1], (2,))
    found = S.multi_level_score_matching(key, score, x, jnp.array([0.5]))
    expected = 0.25 * S.denoising_score_matching(lambda y: score(y, 0.5), x, noise, sigma=0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_of_many_levels_counts_alike_and_the_exact_score_is_the_minimum():
    """Of N(0, 1) data: σ² · ½ E‖s + ε/σ‖² is ½/(1 + σ²) at the score, at every level."""
    sigmas, n = jnp.array([4.0, 1.0, 0.1]), 60_000
    keys = jax.random.split(jax.random.key(0), n)
    x = jax.random.normal(jax.random.key(1), (n, 1))

    def loss(scale, key, x):
        score = lambda y, sigma: -scale * y / (1 + sigma**2)
        return S.multi_level_score_matching(key, score, x, sigmas)

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0, 0)))(1.0, keys, x)
    error = lambda draws: 4 * float(draws.std()) / np.sqrt(n)
    assert abs(values.mean() - np.mean(0.5 / (1 + np.asarray(sigmas) ** 2))) < error(values)
    assert abs(slopes.mean()) < error(slopes)
    with pytest.raises(ValueError, match="sigmas must be positive; got -1"):
        S.multi_level_score_matching(keys[0], lambda y, sigma: y, x[0], jnp.array([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"at least one level; got shape \(0,\)"):
        S.multi_level_score_matching(keys[0], lambda y, sigma: y, x[0], jnp.zeros(0))
