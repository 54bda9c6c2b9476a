"""Where formulas end: alpha = 0, clean data, one step, times out of order, a word for a prediction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.tables.sampler_orders import STEPS, strong_errors
from genjax import diffusion as D
from genjax import flow_matching as F
from genjax import vae
from genjax.densities import normal_log_prob

from .models import SCHEDULES, is_discrete

P = D.Prediction
LEARNED = {
    "ancestral": D.ancestral(),
    "ancestral, beta": D.ancestral(D.transition_variance),
    "ddim": D.ddim(),
    "ddim, half": D.ddim(0.5),
    "ddim, one": D.ddim(1.0),
    "heun": D.heun(),
    "2m": D.dpm_solver_pp_2m(),
    "euler-maruyama": D.euler_maruyama(),
    "corrected": D.predictor_corrector(D.ddim(1.0)),
}


@pytest.mark.parametrize("name", ["zero terminal", "rectified", "edm"])
@pytest.mark.parametrize("sampler", [D.heun(), D.predictor_corrector(D.heun())])
def test_network_calls_are_those_that_are_stated_from_alpha_zero_too(name, sampler):
    schedule, count = SCHEDULES[name], []

    def predict(x, t):
        jax.debug.callback(lambda _: count.append(1), t)
        return 0.5 * x

    x = D.prior_sample(jax.random.key(1), schedule, (2,))
    D.sample(jax.random.key(0), predict, schedule, x, num_steps=7, sampler=sampler, prediction=P.DATA)
    jax.effects_barrier()
    assert len(count) == sampler.num_calls(7)


@pytest.mark.slow
def test_heun_is_of_second_order_from_alpha_zero(x64):
    """The flow of N(m, v) data on straight lines ends at m + √v x_1, the jump to clean data leaving O(1/n²)."""
    m, v, x = 0.7, 0.25, jnp.array([1.3])
    velocity = lambda x, t: -m + ((v + 1) * t - v) / ((1 - t) ** 2 * v + t**2) * (x - m * (1 - t))
    ends = [F.sample(velocity, x, num_steps=n, sampler=D.heun()) for n in (20, 40, 80, 160)]
    errors = [abs(float(end[0]) - (m + np.sqrt(v) * 1.3)) for end in ends]
    slope = -np.polyfit(np.log([20, 40, 80, 160]), np.log(errors), 1)[0]
    assert abs(slope - 2) < 0.2


@pytest.mark.parametrize(
    "name",
    [n if n in ("ddim, one", "heun") else pytest.param(n, marks=pytest.mark.slow) for n in sorted(LEARNED)],
)
def test_gradients_in_a_learned_schedule_are_those_of_finite_differences(name, x64):
    """No root of a share of zero: the last step lands on clean data, where a share of the noise is none."""

    def end(beta_max):
        schedule = D.VariancePreserving(0.1, beta_max)
        options = {"num_steps": 5, "sampler": LEARNED[name], "prediction": P.V}
        return D.sample(
            jax.random.key(0), lambda x, t: jnp.tanh(x), schedule, jnp.array([0.3, -1.0]), **options
        ).sum()

    end = jax.jit(end)
    expected = (end(20.001) - end(19.999)) / 0.002
    np.testing.assert_allclose(jax.grad(end)(20.0), expected, rtol=1e-5)


@pytest.mark.usefixtures("untyped")
def test_a_word_is_no_prediction():
    x, schedule = jnp.ones(2), SCHEDULES["linear"]
    with pytest.raises(TypeError, match=r"one of Prediction\.NOISE.*got 'noise'"):
        D.sample(
            jax.random.key(0),
            lambda x, t: x,
            schedule,
            x,
            num_steps=3,
            sampler=D.ddim(),
            prediction="noise",
        )
    with pytest.raises(TypeError, match="got 'v'"):
        D.denoising_loss(jax.random.key(0), lambda x, t: x, schedule, x, prediction="v")
    with pytest.raises(TypeError, match="got 'v'"):
        D.convert(schedule, x, x, 3, source="v", target="v")


@pytest.mark.parametrize("name", ["linear", "vp", "rectified"])
def test_a_network_is_not_called_at_clean_data(name):
    schedule = SCHEDULES[name]
    times = jnp.array([500, 0]) if is_discrete(schedule) else jnp.array([0.5, 0.0])
    options = {"times": times, "prediction": P.DATA}
    with pytest.raises(ValueError, match="sigma at the times must have noise"):
        D.sample(jax.random.key(0), lambda x, t: 0 * x, schedule, jnp.ones(2), sampler=D.ddim(), **options)
    with pytest.raises(ValueError, match="sigma at the times must have noise"):
        D.invert(lambda x, t: 0 * x, schedule, jnp.ones(2), **options)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_posterior_is_of_an_earlier_time(name):
    schedule, one = SCHEDULES[name], jnp.ones(2)
    early, late = schedule.times(4)[3], schedule.times(4)[1]
    calls = (
        lambda s, t: D.posterior(schedule, one, one, s, t),
        lambda s, t: D.posterior_variance(schedule, s, t),
        lambda s, t: D.transition_variance(schedule, s, t),
    )
    for call in calls:
        for s in (late, early):
            with pytest.raises(ValueError, match="s must lie before t"):
                call(s, early)
        assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(jax.jit(call)(late, early)))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.jit(call)(early, late)))


def test_statement_s10_at_one_step_the_bound_is_the_elbo_of_a_vae_with_a_fixed_encoder():
    """In expectation over the one noise, by Gauss–Hermite nodes for the ELBO and draws for the bound."""
    beta, x0 = 0.4, jnp.array([0.3, -0.8])
    schedule, alpha = D.schedule_from_betas([beta]), np.sqrt(1 - beta)
    predict = lambda x, t: jnp.tanh(x)  # of the data
    encode = lambda x: (alpha * x, jnp.full_like(x, np.log(beta)))
    likelihood = lambda x, z: normal_log_prob(x, jnp.tanh(z), jnp.full_like(x, np.log(beta)))
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    grid = jnp.float32(np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2))
    share = np.outer(weights, weights).ravel() / (2 * np.pi)
    elbo = share @ np.asarray(jax.vmap(lambda e: vae.elbo_terms(encode, likelihood, x0, e).elbo)(grid))
    bound = lambda key: D.variational_bound(key, predict, schedule, x0, prediction=P.DATA)
    terms = jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(0), 20_000))
    assert (terms.diffusion == 0).all()
    assert abs(terms.total.mean() + elbo) < 4 * terms.total.std() / np.sqrt(20_000)
    kl = vae.elbo_terms(encode, likelihood, x0, grid[0]).kl
    np.testing.assert_allclose(terms.prior, kl, rtol=1e-5)
    one = D.variational_bound(jax.random.key(0), predict, schedule, x0, prediction=P.DATA, num_times=3)
    assert one.diffusion == 0


@pytest.mark.slow
def test_euler_maruyama_is_of_strong_order_one(x64):
    errors = strong_errors()
    assert abs(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0] - 1) < 0.15, errors
