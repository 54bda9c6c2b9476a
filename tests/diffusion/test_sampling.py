"""Samplers: orders, equal maps, counted calls, levels, faults, and the guided and inverted ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion as D
from genjax.oracles import check_sampler

from .models import SCHEDULES, mixture

P = D.Prediction
SAMPLERS = {
    "ancestral": D.ancestral(),
    "ancestral, beta": D.ancestral(D.transition_variance),
    "ddim": D.ddim(),
    "ddim, half": D.ddim(0.5),
    "heun": D.heun(),
    "2m": D.dpm_solver_pp_2m(),
    "euler-maruyama": D.euler_maruyama(),
    "corrected": D.predictor_corrector(D.ancestral()),
}
every = pytest.mark.parametrize("name", sorted(SAMPLERS))


@pytest.mark.slow  # the example of check_sampler has DDIM
@pytest.mark.parametrize(("sampler", "order"), [(D.ddim(), 1), (D.heun(), 2), (D.dpm_solver_pp_2m(), 2)])
def test_deterministic_samplers_converge_at_their_order(sampler, order, x64):
    report = check_sampler(sampler, order=order)
    assert list(report.errors) == sorted(report.errors, reverse=True)


slowly = lambda *names: [pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", ["ancestral", *slowly("euler-maruyama", "corrected", "ddim, half")])
def test_the_exact_score_gives_samples_that_spread_as_the_data(name, x64):
    assert check_sampler(SAMPLERS[name]).slope is None


class Halved:
    """DDIM that takes half of each step's noise away: what a wrong factor does."""

    draws = 0

    def init(self, x):
        return ()

    def step(self, state, noise, estimate, x, now, following):
        x0, eps = estimate(x, now)
        return following.alpha * x0 + 0.5 * following.sigma * eps, state

    def num_calls(self, num_steps):
        return num_steps


@pytest.mark.slow
def test_the_check_of_samplers_finds_a_wrong_order_and_a_wrong_spread(x64):
    with pytest.raises(ValueError, match=r"order of convergence is 1\.\d+, 2"):
        check_sampler(D.ddim(), order=2)
    with pytest.raises(ValueError, match=r"order of convergence|times the standard deviation"):
        check_sampler(Halved(), order=1)
    with pytest.raises(ValueError, match="draws noise"):
        check_sampler(D.ancestral(), order=1)


def path(sampler, schedule=SCHEDULES["linear"], kind=P.NOISE, **options):
    x = D.prior_sample(jax.random.key(1), schedule, (2,))
    options = {"num_steps": 12} | options
    predict = mixture().predict(schedule, kind)
    return D.sample(
        jax.random.key(0),
        predict,
        schedule,
        x,
        sampler=sampler,
        prediction=kind,
        return_trajectory=True,
        **options,
    )


def test_equal_maps():
    np.testing.assert_allclose(path(D.ddim(1.0)), path(D.ancestral()), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(path(D.euler()), path(D.ddim(0.0)))
    # Exponential-integrator Euler: sigma'/sigma x − alpha' (e^{−h} − 1) x̂0 is DDIM.
    schedule, x = SCHEDULES["vp"], jnp.array([0.4, -1.0])
    predict = mixture().predict(schedule, P.DATA)
    for now, after in ((1.0, 0.7), (0.5, 0.2)):
        sigma, h = schedule.sigma(now), (schedule.log_snr(after) - schedule.log_snr(now)) / 2
        data = predict(x, jnp.asarray(now))
        expected = schedule.sigma(after) / sigma * x - schedule.alpha(after) * jnp.expm1(-h) * data
        options = {"times": jnp.array([now, after]), "prediction": P.DATA, "return_trajectory": True}
        found = D.sample(jax.random.key(0), predict, schedule, x, sampler=D.ddim(), **options)[1]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@every
def test_network_calls_are_those_that_are_stated(name):
    count = []

    def predict(x, t):
        jax.debug.callback(lambda _: count.append(1), t)
        return mixture().noise_fn(SCHEDULES["linear"])(x, t)

    x = D.prior_sample(jax.random.key(1), SCHEDULES["linear"], (2,))
    sampler = SAMPLERS[name]
    D.sample(jax.random.key(0), predict, SCHEDULES["linear"], x, num_steps=7, sampler=sampler)
    jax.effects_barrier()
    assert len(count) == sampler.num_calls(7)


@every
@pytest.mark.parametrize("schedule", ["linear", "zero terminal", "rectified", "edm"])
def test_a_point_is_reached_from_anywhere_and_no_noise_is_left(name, schedule):
    point, schedule = jnp.array([0.4, -0.8]), SCHEDULES[schedule]
    x = D.prior_sample(jax.random.key(0), schedule, (2,))
    for n in (1, 5):
        found = D.sample(
            jax.random.key(2),
            lambda x, t: point,
            schedule,
            x,
            num_steps=n,
            sampler=SAMPLERS[name],
            prediction=P.DATA,
        )
        np.testing.assert_allclose(found, point, atol=1e-4)


def test_the_trajectory_starts_at_the_start_and_ends_at_the_sample():
    states = path(D.ddim(), num_steps=150)  # more than one chunk of noise
    assert states.shape == (151, 2)
    x = D.prior_sample(jax.random.key(1), SCHEDULES["linear"], (2,))
    np.testing.assert_array_equal(states[0], x)
    end = D.sample(
        jax.random.key(0),
        mixture().noise_fn(SCHEDULES["linear"]),
        SCHEDULES["linear"],
        x,
        num_steps=150,
        sampler=D.ddim(),
    )
    np.testing.assert_array_equal(states[-1], end)


def test_gradients_through_sampling_are_finite_in_the_network_and_in_the_schedule():
    def end(scale, beta_max):
        schedule = D.VariancePreserving(0.1, beta_max)
        predict = lambda x, t: scale * jnp.tanh(x)
        x = jnp.array([0.3, -1.0])
        return D.sample(
            jax.random.key(0), predict, schedule, x, num_steps=5, sampler=D.ancestral(), prediction=P.V
        ).sum()

    gradient = jax.grad(end, (0, 1))(0.5, 20.0)
    assert np.isfinite(gradient).all()
    assert all(g != 0 for g in gradient)


def test_faults_of_times_and_of_networks_are_named():
    schedule, x = SCHEDULES["linear"], jnp.zeros(2)
    run = lambda predict=lambda x, t: x, schedule=schedule, kind=P.NOISE, **options: D.sample(
        jax.random.key(0), predict, schedule, x, sampler=D.ddim(), prediction=kind, **options
    )
    with pytest.raises(ValueError, match="times must decrease strictly; got 300"):
        run(times=jnp.array([500, 300, 300]))
    with pytest.raises(ValueError, match=r"lie in 0\.\.1000"):
        run(times=jnp.array([1200, 300]))
    with pytest.raises(ValueError, match="NOISE says nothing of the data there; use DATA, V or VELOCITY"):
        run(schedule=SCHEDULES["zero terminal"], num_steps=4)
    with pytest.raises(ValueError, match="NOISE says nothing"):
        run(schedule=SCHEDULES["rectified"], num_steps=4)
    with pytest.raises(ValueError, match=r"predict\(x_t, t\) \(1,\)"):
        run(predict=lambda x, t: x[:1], num_steps=4)
    with pytest.raises(ValueError, match=r"step must leave a number.*got 2"):
        run(predict=lambda x, t: jnp.where(t < 800, jnp.nan, x), num_steps=4)


def test_inversion_leads_back_and_gets_better_with_steps():
    schedule, mix = SCHEDULES["vp"], mixture()
    x = mix.sample(jax.random.key(0), 50)
    noise_fn = mix.noise_fn(schedule)

    def round_trip(n):
        there = lambda x: D.invert(noise_fn, schedule, x, num_steps=n)
        back = lambda z: D.sample(jax.random.key(0), noise_fn, schedule, z, num_steps=n, sampler=D.ddim())
        return jnp.sqrt(jnp.mean((jax.jit(jax.vmap(lambda x: back(there(x))))(x) - x) ** 2))

    errors = [round_trip(n) for n in (25, 100, 400)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_statement_s13_the_guided_score_is_that_of_the_tilted_density():
    schedule, mix, t, w = SCHEDULES["vp"], mixture(), 0.3, 1.7
    diffused = mix.diffused(schedule, t)
    one = mix.__class__(jnp.ones(1), mix.means[:1], mix.covs[:1]).diffused(schedule, t)
    class_log_prob = lambda x, t: jnp.log(mix.weights[0]) + one.log_prob(x) - diffused.log_prob(x)
    x = jnp.array([0.3, -0.2])
    tilted = jax.grad(lambda x: diffused.log_prob(x) + w * class_log_prob(x, t))(x)
    guided = D.classifier_guidance(lambda x, t: diffused.score(x), class_log_prob, w)
    np.testing.assert_allclose(guided(x, t), tilted, rtol=1e-4)
    # The noise's form subtracts sigma times the gradient.
    noise = D.classifier_guidance(
        mix.noise_fn(schedule), class_log_prob, w, schedule=schedule, prediction=P.NOISE
    )
    np.testing.assert_allclose(noise(x, jnp.asarray(t)), -schedule.sigma(t) * tilted, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="guidance of NOISE needs the schedule"):
        D.classifier_guidance(mix.noise_fn(schedule), class_log_prob, w, prediction=P.NOISE)


def test_statement_s14_bayes_rule_in_score_space():
    """At s the classifier-free score is that of p(x) p(y|x)^s, whatever is predicted."""
    schedule, mix, t, s = SCHEDULES["vp"], mixture(), jnp.asarray(0.3), 2.5
    one = mix.__class__(jnp.ones(1), mix.means[:1], mix.covs[:1])
    x = jnp.array([0.3, -0.2])
    scores = []
    for kind in (P.NOISE, P.DATA, P.V, P.SCORE, P.VELOCITY):
        guided = D.classifier_free_guidance(one.predict(schedule, kind), mix.predict(schedule, kind), s)
        scores.append(D.convert(schedule, guided(x, t), x, t, source=kind, target=P.SCORE))
    log_tilted = lambda x: (
        mix.diffused(schedule, t).log_prob(x) * (1 - s) + s * one.diffused(schedule, t).log_prob(x)
    )
    for score in scores:
        np.testing.assert_allclose(score, jax.grad(log_tilted)(x), rtol=1e-3, atol=1e-4)
    plain = D.classifier_free_guidance(one.noise_fn(schedule), mix.noise_fn(schedule), 1.0)
    np.testing.assert_allclose(plain(x, t), one.noise_fn(schedule)(x, t), rtol=1e-5)
    two = D.composed(mix.noise_fn(schedule), [one.noise_fn(schedule)] * 2, [0.5, 0.5])
    np.testing.assert_allclose(two(x, t), plain(x, t), rtol=1e-4)


def test_guidance_in_an_interval_and_rescaled():
    schedule, strong, plain = SCHEDULES["edm"], (lambda x, t: 3 * x), (lambda x, t: x)
    part = D.limited(strong, plain, schedule, low=0.2, high=2.0)
    x = jnp.array([1.0, -2.0])
    for t, factor in ((0.1, 1), (0.21, 3), (1.0, 3), (3.0, 1)):
        np.testing.assert_allclose(part(x, jnp.float32(t)), factor * x)
    np.testing.assert_allclose(D.rescaled(strong, plain, 1.0)(x, 0.5), x, rtol=1e-6)
    np.testing.assert_allclose(D.rescaled(strong, plain, 0.5)(x, 0.5), 2 * x, rtol=1e-6)


@pytest.mark.parametrize("name", ["rectified", *slowly("vp", "log snr")])
def test_the_likelihood_by_the_ode_is_the_mixture_s(name):
    """Up to what the prior is off by at the schedule's end, which is taken out."""
    schedule, mix = SCHEDULES[name], mixture()
    x = mix.sample(jax.random.key(0), 100)
    predict = mix.predict(schedule, P.VELOCITY)
    run = jax.jit(
        jax.vmap(lambda x: D.log_prob(jax.random.key(0), predict, schedule, x, prediction=P.VELOCITY))
    )
    found, exact = run(x), jax.vmap(mix.diffused(schedule, schedule.span[0]).log_prob)(x)
    if name != "rectified":
        end = schedule.span[1]
        x_T = jax.vmap(lambda x: D.sample_ode(predict, _Reversed(schedule), x, prediction=P.VELOCITY).x)(x)
        law = mix.diffused(schedule, end)
        prior = jax.vmap(lambda x: -jnp.sum(x**2) / 2 / schedule.sigma(end) ** 2)(x_T)
        prior = prior - np.log(2 * np.pi) - 2 * jnp.log(schedule.sigma(end))
        found = found - (prior - jax.vmap(law.log_prob)(x_T))
    np.testing.assert_allclose(found, exact, atol=2e-3)
    assert abs(float(jnp.mean(found - exact))) < 1e-3


class _Reversed:
    """A schedule whose ODE runs from data to noise."""

    def __init__(self, schedule):
        self.alpha, self.sigma, self.log_snr = schedule.alpha, schedule.sigma, schedule.log_snr
        self.span = schedule.span[::-1]


@pytest.mark.slow
def test_one_direction_gives_an_unbiased_likelihood():
    schedule, mix = SCHEDULES["rectified"], mixture()
    predict, x = mix.predict(schedule, P.VELOCITY), jnp.array([0.3, -0.2])
    probe = lambda v: D.log_prob(jax.random.key(0), predict, schedule, x, prediction=P.VELOCITY, direction=v)
    values = jax.jit(jax.vmap(probe))(jax.random.rademacher(jax.random.key(1), (200, 2)))
    assert abs(values.mean() - mix.log_prob(x)) < 4 * values.std() / np.sqrt(200) + 1e-3
