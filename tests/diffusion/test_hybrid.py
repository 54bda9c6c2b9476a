"""A learned reverse variance: the hybrid error, and the variance between the two extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D

SCHEDULE = D.schedule_from_betas(np.linspace(0.05, 0.4, 8))
X0 = jnp.array([0.5, -1.0])
TIMES = jnp.arange(1, 9)


def knows(x, t):
    """The noise, to a network that knows the example."""
    return (x - SCHEDULE.alpha(t) * X0) / SCHEDULE.sigma(t)


def terms(noise_fn, share, weight=0.5):
    """Of every time, with one draw of noise."""
    noise = jax.random.normal(jax.random.key(0), (8, 2))
    variance = D.interpolated_variance(share)
    error = lambda t, e: D.hybrid_error(
        noise_fn, SCHEDULE, X0, t, e, reverse_variance=variance, weight=weight
    )
    plain = lambda t, e: D.denoising_error(noise_fn, SCHEDULE, X0, t, e)
    return jax.vmap(error)(TIMES, noise), jax.vmap(plain)(TIMES, noise)


def test_the_share_goes_from_the_posterior_s_variance_to_the_transition_s():
    for s, t in ((1, 2), (6, 7), (2, 6)):
        ends = D.posterior_variance(SCHEDULE, s, t), D.transition_variance(SCHEDULE, s, t)
        for share, expected in ((0.0, ends[0]), (1.0, ends[1]), (0.5, np.sqrt(ends[0] * ends[1]))):
            np.testing.assert_allclose(D.interpolated_variance(share)(SCHEDULE, s, t), expected, rtol=1e-5)
    first = D.interpolated_variance(0.0)(SCHEDULE, 0, 1)
    np.testing.assert_allclose(first, D.posterior_variance(SCHEDULE, 1, 2), rtol=1e-6)
    shares = jnp.array([0.0, 1.0])  # of the event's shape
    both = D.interpolated_variance(shares)(SCHEDULE, 4, 5)
    np.testing.assert_allclose(
        both, [D.posterior_variance(SCHEDULE, 4, 5), D.transition_variance(SCHEDULE, 4, 5)], rtol=1e-5
    )


def test_over_all_times_it_holds_the_bound_without_its_prior():
    """With the data known, the terms of the bound do not depend on the noise."""
    bound = D.variational_bound(jax.random.key(1), knows, SCHEDULE, X0)
    hybrid, plain = terms(knows, 1.0)
    np.testing.assert_allclose(
        ((hybrid - plain) / 0.5 / 8).sum(), bound.diffusion + bound.reconstruction, rtol=1e-4
    )


def test_the_network_s_mean_learns_from_the_denoising_error_alone_and_the_variance_from_the_bound_alone():
    def both(scale, share):
        hybrid, plain = terms(lambda x, t: scale * jnp.sin(x), share)
        return hybrid.sum(), plain.sum()

    hybrid, plain = (jax.grad(lambda a, b, i=i: both(a, b)[i], (0, 1))(0.7, 0.3) for i in (0, 1))
    np.testing.assert_allclose(hybrid[0], plain[0], rtol=1e-5)
    assert plain[1] == 0
    h = 1e-2
    slope = (both(0.7, 0.3 + h)[0] - both(0.7, 0.3 - h)[0]) / (2 * h)
    np.testing.assert_allclose(hybrid[1], slope, rtol=1e-2)


@pytest.mark.parametrize("t", [2, 5, 8])
def test_the_best_variance_is_that_of_the_true_reverse_step(t):
    """Of N(0, v) data, x_{t−1} given x_t is Gaussian and its variance is known."""
    v, n = 0.25, 20_000
    alpha, sigma = float(SCHEDULE.alpha(t)), float(SCHEDULE.sigma(t))
    kept = alpha**2 * v / (alpha**2 * v + sigma**2)
    earlier = float(SCHEDULE.alpha(t - 1)) ** 2 * v + float(SCHEDULE.sigma(t - 1)) ** 2
    step = alpha / float(SCHEDULE.alpha(t - 1))
    true = earlier * (1 - step**2 * earlier / (alpha**2 * v + sigma**2))
    best = lambda x, t: x * (1 - kept) / sigma
    low, high = (np.log(float(f(SCHEDULE, t - 1, t))) for f in (D.posterior_variance, D.transition_variance))
    share = (np.log(true) - low) / (high - low)

    def one(key):
        k_x, k_e = jax.random.split(key)
        x0, noise = 0.5 * jax.random.normal(k_x, (1,)), jax.random.normal(k_e, (1,))
        loss = lambda share: D.hybrid_error(
            best, SCHEDULE, x0, t, noise, reverse_variance=D.interpolated_variance(share)
        )
        return jax.grad(loss)(share)

    slopes = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(t), n))
    assert abs(slopes.mean()) < 4 * slopes.std() / np.sqrt(n)
    assert slopes.std() > 0


def test_what_the_bound_cannot_use_is_refused():
    vanished = D.rescale_zero_terminal_snr(D.linear_schedule())
    noise = lambda x, t: x
    for call in (
        lambda: D.variational_bound(jax.random.key(0), noise, vanished, X0, num_times=2),
        lambda: D.denoising_loss(jax.random.key(0), noise, vanished, X0, prediction=D.Prediction.NOISE),
        lambda: D.hybrid_error(noise, vanished, X0, 1000, X0, reverse_variance=D.transition_variance),
    ):
        with pytest.raises(ValueError, match="alpha at the times must have a signal: NOISE says nothing"):
            call()
    D.denoising_loss(jax.random.key(0), noise, vanished, X0, prediction=D.Prediction.V)


def test_a_continuous_schedule_is_refused(untyped):
    vp = D.variance_preserving()
    with pytest.raises(TypeError, match="discrete schedule; got VariancePreserving"):
        D.hybrid_error(lambda x, t: x, vp, X0, 0.5, X0, reverse_variance=D.transition_variance)
