"""The variational bound: its terms, that it bounds, and where its gap goes as the steps grow in number."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D
from genjax.densities import discretized_normal_log_prob

from .models import mixture


def test_the_terms_add_up_and_are_exact_for_a_network_that_knows_the_data():
    b = np.linspace(0.05, 0.4, 8)
    bars, x0, schedule = (
        np.concatenate([[1], np.cumprod(1 - b)]),
        np.array([0.5, -1.0]),
        D.schedule_from_betas(b),
    )
    knows = lambda x, t: (x - schedule.alpha(t) * jnp.float32(x0)) / schedule.sigma(t)
    terms = D.variational_bound(jax.random.key(0), knows, schedule, jnp.float32(x0))
    r = (1 - bars[1:-1]) / (1 - bars[2:])
    np.testing.assert_allclose(terms.diffusion, np.sum(r - 1 - np.log(r)), rtol=1e-4)
    np.testing.assert_allclose(
        terms.prior, 0.5 * np.sum(bars[8] * x0**2 - np.log(1 - bars[8]) - bars[8]), rtol=1e-5
    )
    np.testing.assert_allclose(terms.reconstruction, np.log(2 * np.pi * b[0]), rtol=1e-4)
    np.testing.assert_allclose(terms.total, sum(terms), rtol=1e-6)
    posterior = D.variational_bound(
        jax.random.key(0), knows, schedule, jnp.float32(x0), reverse_variance=D.posterior_variance
    )
    np.testing.assert_allclose(posterior.diffusion, 0, atol=1e-5)
    drawn = jax.vmap(
        lambda key: D.variational_bound(key, knows, schedule, jnp.float32(x0), num_times=3).diffusion
    )(jax.random.split(jax.random.key(1), 4000))
    assert abs(drawn.mean() - terms.diffusion) < 4 * drawn.std() / np.sqrt(4000)


@pytest.mark.parametrize("variance", [D.transition_variance, D.posterior_variance])
def test_statement_s10_it_lies_above_the_exact_negative_log_likelihood(variance):
    schedule, mix = D.linear_schedule(30), mixture()
    x = mix.sample(jax.random.key(0), 4000)
    bound = lambda key, x0: (
        D.variational_bound(key, mix.noise_fn(schedule), schedule, x0, reverse_variance=variance).total
    )
    totals = jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(1), 4000), x)
    gaps = totals + jax.vmap(mix.log_prob)(x)
    assert gaps.mean() > 3 * gaps.std() / np.sqrt(4000)


def exact_gap(num_steps, posterior, mean_variance=0.25):
    """The gap of the bound of N(m, v) data in one dimension, in float64 and without noise: all terms are Gaussian.

    E KL = ½ [q/v − 1 − log(q/v) + E(mean error)²/v], where the error of x̂0 has variance v σ²/(α² v + σ²).
    """
    betas = np.linspace(0.1 / num_steps, 20 / num_steps, num_steps)
    log_bars = np.concatenate([[0], np.cumsum(np.log1p(-betas))])
    bars, noise = np.exp(log_bars), -np.expm1(log_bars)
    v = mean_variance
    ratio = (bars[2:] / noise[2:]) / (bars[1:-1] / noise[1:-1])
    lost = 1 - ratio
    true = noise[1:-1] * lost
    model = true if posterior else noise[2:] * lost
    error = v * noise[2:] / (bars[2:] * v + noise[2:])
    kl = 0.5 * (true / model - 1 - np.log(true / model) + bars[1:-1] * lost**2 * error / model)
    first = v * noise[1] / (bars[1] * v + noise[1])
    reconstruction = 0.5 * (np.log(2 * np.pi * noise[1]) + first / noise[1])
    prior = 0.5 * (bars[-1] * v + noise[-1] - 1 - np.log(noise[-1]))
    return kl.sum() + reconstruction + prior - 0.5 * (np.log(2 * np.pi * v) + 1)


def test_its_gap_goes_to_zero_with_beta_and_to_half_of_euler_s_constant_with_the_posterior_s_variance():
    gaps = [exact_gap(n, posterior=False) for n in (100, 1000, 20_000)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < 1e-3
    gaps = [exact_gap(n, posterior=True) for n in (1000, 20_000, 200_000)]
    np.testing.assert_allclose(gaps[:2], [0.456, 0.304], atol=0.003)
    assert gaps[2] - np.euler_gamma / 2 < 0.01


def test_the_recursion_is_the_bound_of_the_library():
    schedule, n = D.linear_schedule(60), 60
    v = 0.25
    best = lambda x, t: schedule.sigma(t) * x / (schedule.alpha(t) ** 2 * v + schedule.sigma(t) ** 2)
    x = 0.5 * jax.random.normal(jax.random.key(0), (3000, 1))
    for posterior, variance in ((False, D.transition_variance), (True, D.posterior_variance)):
        bound = lambda key, x0, variance=variance: (
            D.variational_bound(key, best, schedule, x0, reverse_variance=variance).total
        )
        totals = jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(1), 3000), x)
        expected = exact_gap(n, posterior) + 0.5 * (np.log(2 * np.pi * v) + 1)
        assert abs(totals.mean() - expected) < 4 * totals.std() / np.sqrt(3000)


def test_of_levels_its_mean_is_their_entropy_and_what_the_steps_lose():
    """Three levels and the best network: the bound is above the entropy, and many steps come near it."""
    levels, p = jnp.array([-1.0, 0.0, 1.0]), np.array([0.2, 0.5, 0.3])
    entropy = -np.sum(p * np.log(p))
    decoder = partial(discretized_normal_log_prob, num_levels=3)
    gaps = []
    for num_steps in (25, 100):
        schedule = D.linear_schedule(num_steps)

        def mean(x, t, schedule=schedule):
            logits = jnp.log(p.astype(np.float32)) - (x - schedule.alpha(t) * levels) ** 2 / (
                2 * schedule.sigma(t) ** 2
            )
            return jnp.sum(jax.nn.softmax(logits) * levels, keepdims=True)

        bound = (
            lambda key, x0, schedule=schedule, mean=mean: (
                D.variational_bound(
                    key,
                    mean,
                    schedule,
                    x0,
                    prediction=D.Prediction.DATA,
                    reverse_variance=D.posterior_variance,  # levels are known at the last steps, as a Gaussian is not
                    log_likelihood=decoder,
                ).total
            )
        )
        keys = jax.random.split(jax.random.key(0), 3000)
        totals = jax.jit(jax.vmap(jax.vmap(bound, (0, None)), (None, 0)))(keys, levels[:, None])
        error = np.sqrt(np.sum(p**2 * np.var(totals, axis=1)) / len(keys))
        gaps.append(p @ np.mean(totals, axis=1) - entropy)
        assert gaps[-1] > 3 * error
    assert gaps[1] < 0.4 * gaps[0]


def test_a_learned_variance_and_a_discrete_decoder_are_taken():
    schedule, x0 = D.linear_schedule(30), jnp.array([0.5, -0.5])
    wide = lambda s, a, t: 2 * D.transition_variance(s, a, t)
    base = lambda **options: D.variational_bound(
        jax.random.key(0), lambda x, t: jnp.tanh(x), schedule, x0, **options
    )
    assert base(reverse_variance=wide).diffusion != base().diffusion
    decoder = lambda x, mean, log_var: jnp.sum(jnp.where(jnp.abs(x - mean) < 10, -0.5, -1.0))
    assert base(log_likelihood=decoder).reconstruction == 1.0


def test_the_continuous_bound_depends_on_the_ends_of_log_snr_alone():
    """Its mean over uniform t is the same integral over log SNR on two schedules with the same ends."""
    mix = mixture()
    line = D.log_snr_linear(9.0, -9.0)

    class Bent:
        """The same ends, another path."""

        log_snr = staticmethod(lambda t: 9.0 - 18.0 * jnp.asarray(t) ** 2)
        alpha = staticmethod(lambda t: jnp.sqrt(jax.nn.sigmoid(9.0 - 18.0 * jnp.asarray(t) ** 2)))
        sigma = staticmethod(lambda t: jnp.sqrt(jax.nn.sigmoid(-(9.0 - 18.0 * jnp.asarray(t) ** 2))))

    def mean(schedule):
        keys = jax.random.split(jax.random.key(0), 20_000)

        def one(key):
            k_x, k_t, k_e = jax.random.split(key, 3)
            x, noise = mix.sample(k_x, 1)[0], jax.random.normal(k_e, (2,))
            t = jax.random.uniform(k_t, minval=1e-4)
            return D.continuous_bound_error(mix.noise_fn(schedule), schedule, x, t, noise)

        values = jax.jit(jax.vmap(one))(keys)
        return values.mean(), values.std() / np.sqrt(len(keys))

    (a, error_a), (b, error_b) = mean(line), mean(Bent)
    assert abs(a - b) < 4 * np.hypot(error_a, error_b)
