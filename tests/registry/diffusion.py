"""Score matching, diffusion and flow matching."""

from functools import partial

import jax.numpy as jnp
import numpy as np

from genjax import diffusion, flow_matching, score
from genjax.diffusion import Prediction

from .row import KEY, NAN, ONE, TWO, Row, normal

LINEAR, VP, LINE = diffusion.linear_schedule(100), diffusion.variance_preserving(), diffusion.rectified()
TIME = np.array(0.4)


def field(x, t=0.5):
    """A smooth function of an event and a time, for any prediction."""
    return jnp.sin(x) + jnp.asarray(0.3, x.dtype) * x * jnp.asarray(t).astype(x.dtype)


def scales(schedule):
    return lambda t: (schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t))


def guided(fn):
    return lambda x: fn(x, jnp.asarray(0.5, x.dtype))


def bound(key, x0):
    terms = diffusion.variational_bound(key, field, diffusion.linear_schedule(30), x0)
    return (*terms, terms.total)


CONTINUOUS = {
    "Edm": diffusion.edm(),
    "LogSnrLinear": diffusion.log_snr_linear(8.0, -8.0),
    "Rectified": LINE,
    "VarianceExploding": diffusion.variance_exploding(0.01, 50.0),
    "VariancePreserving": VP,
}

ROWS = {
    f"genjax.diffusion.{name}": Row(scales(schedule), (TIME,)) for name, schedule in CONTINUOUS.items()
} | {
    "genjax.score.annealed_langevin": Row(
        lambda key, x: score.annealed_langevin(
            key,
            lambda x, sigma: -x / (1 + sigma**2),
            x,
            jnp.array([2, 1], x.dtype),
            step_size=0.1,
            num_steps=2,
        ),
        (KEY, normal(2)),
    ),
    "genjax.score.denoising_score_matching": Row(
        lambda x, e: score.denoising_score_matching(jnp.sin, x, e, sigma=0.5), (normal(3), normal(3))
    ),
    "genjax.score.implicit_score_matching": Row(
        lambda x: score.implicit_score_matching(jnp.sin, x), (normal(3),)
    ),
    "genjax.score.langevin": Row(
        lambda key, x: score.langevin(key, jnp.sin, x, step_size=0.1, num_steps=3), (KEY, normal(2))
    ),
    "genjax.score.langevin_step": Row(
        lambda x, e: score.langevin_step(jnp.sin, x, e, step_size=0.1), (normal(3), normal(3))
    ),
    "genjax.score.multi_level_score_matching": Row(
        lambda key, x: score.multi_level_score_matching(
            key, lambda x, sigma: jnp.sin(x) / sigma, x, jnp.array([2, 1], x.dtype)
        ),
        (KEY, normal(3)),
    ),
    "genjax.score.sliced_score_matching": Row(
        lambda x, v: score.sliced_score_matching(jnp.sin, x, v), (normal(3), normal(3))
    ),
    "genjax.score.sliced_score_matching_vr": Row(
        lambda x, v: score.sliced_score_matching_vr(jnp.sin, x, v), (normal(3), normal(3))
    ),
    "genjax.diffusion.add_noise": Row(
        lambda x0, e: diffusion.add_noise(LINEAR, x0, 30, e), (normal(3), normal(3))
    ),
    "genjax.diffusion.classifier_free_guidance": Row(
        guided(diffusion.classifier_free_guidance(field, lambda x, t: x**2, 2.0)), (normal(3),)
    ),
    "genjax.diffusion.classifier_guidance": Row(
        guided(diffusion.classifier_guidance(field, lambda x, t: -jnp.sum(x**4), 0.5)), (normal(3),)
    ),
    "genjax.diffusion.composed": Row(
        guided(diffusion.composed(field, [lambda x, t: x**2, lambda x, t: -x], [1.0, 2.0])), (normal(3),)
    ),
    "genjax.diffusion.continuous_bound_error": Row(
        lambda x0, t, e: diffusion.continuous_bound_error(field, VP, x0, t, e), (normal(3), TIME, normal(3))
    ),
    "genjax.diffusion.convert": Row(
        lambda value, x: diffusion.convert(
            LINEAR, value, x, 40, source=Prediction.NOISE, target=Prediction.V
        ),
        (normal(3), normal(3)),
    ),
    "genjax.diffusion.converted": Row(
        guided(diffusion.converted(field, VP, source=Prediction.DATA, target=Prediction.VELOCITY)),
        (normal(3),),
    ),
    "genjax.diffusion.denoising_error": Row(
        lambda x0, e: diffusion.denoising_error(field, LINEAR, x0, 30, e), (normal(3), normal(3))
    ),
    "genjax.diffusion.denoising_loss": Row(
        lambda key, x0: diffusion.denoising_loss(
            key, field, LINEAR, x0, prediction=Prediction.V, weight=diffusion.min_snr_weight(Prediction.V)
        ),
        (KEY, normal(3)),
    ),
    "genjax.diffusion.edm_denoiser": Row(guided(diffusion.edm_denoiser(field)), (normal(3),)),
    "genjax.diffusion.edm_error": Row(
        lambda x0, sigma, e: diffusion.edm_error(field, x0, sigma, e, sigma_data=0.5),
        (normal(3), TIME, normal(3)),
    ),
    "genjax.diffusion.edm_loss": Row(lambda key, x0: diffusion.edm_loss(key, field, x0), (KEY, normal(3))),
    "genjax.diffusion.edm_weight": Row(lambda t: diffusion.edm_weight()(diffusion.edm(), t), (TIME,)),
    "genjax.diffusion.hybrid_error": Row(
        lambda x0, e: diffusion.hybrid_error(
            field, LINEAR, x0, 30, e, reverse_variance=diffusion.interpolated_variance(0.4)
        ),
        (normal(3), normal(3)),
        gradient="finite",
    ),
    "genjax.diffusion.interpolated_variance": Row(
        lambda share: diffusion.interpolated_variance(share)(LINEAR, 29, 30), (normal(3),)
    ),
    "genjax.diffusion.invert": Row(lambda x0: diffusion.invert(field, LINEAR, x0, num_steps=4), (normal(3),)),
    "genjax.diffusion.l_simple": Row(
        lambda key, x0: diffusion.l_simple(key, field, LINEAR, x0), (KEY, normal(3))
    ),
    "genjax.diffusion.likelihood_weight": Row(lambda t: diffusion.likelihood_weight(VP, t), (TIME,)),
    "genjax.diffusion.limited": Row(
        guided(diffusion.limited(field, lambda x, t: x, LINE, low=0.5, high=2.0)), (normal(3),)
    ),
    "genjax.diffusion.log_prob": Row(
        lambda x0: diffusion.log_prob(
            KEY, field, LINE, x0, prediction=Prediction.VELOCITY, rtol=1e-6, atol=1e-6
        ),
        (normal(2),),
        bfloat16=False,
        gradient="estimator",
        slow=True,
    ),
    "genjax.diffusion.min_snr_weight": Row(
        lambda t: [
            diffusion.min_snr_weight(p)(VP, t) for p in (Prediction.NOISE, Prediction.DATA, Prediction.V)
        ],
        (TIME,),
    ),
    "genjax.diffusion.posterior": Row(
        lambda x0, x_t: diffusion.posterior(LINEAR, x0, x_t, 20, 30), (normal(3), normal(3))
    ),
    "genjax.diffusion.posterior_variance": Row(
        lambda t: diffusion.posterior_variance(VP, 0.5 * t, t), (TIME,)
    ),
    "genjax.diffusion.rescaled": Row(guided(diffusion.rescaled(field, lambda x, t: x, 0.7)), (normal(3),)),
    "genjax.diffusion.sample": Row(
        lambda key, x: diffusion.sample(
            key,
            lambda x, t: jnp.tanh(x),
            LINEAR,
            x,
            num_steps=4,
            sampler=diffusion.ancestral(),
            prediction=Prediction.DATA,
            return_trajectory=True,
        ),
        (KEY, normal(3)),
    ),
    "genjax.diffusion.sample_ode": Row(
        lambda x: (
            diffusion.sample_ode(field, LINE, x, prediction=Prediction.VELOCITY, rtol=1e-6, atol=1e-6).x
        ),
        (normal(2),),
        bfloat16=False,
        gradient="none",
        slow=True,
    ),
    "genjax.diffusion.snr_weight": Row(lambda t: diffusion.snr_weight(VP, t), (TIME,)),
    "genjax.diffusion.transition_variance": Row(
        lambda t: diffusion.transition_variance(VP, 0.5 * t, t), (TIME,)
    ),
    "genjax.diffusion.variational_bound": Row(bound, (KEY, normal(2))),
    "genjax.flow_matching.conditional_flow_matching": Row(
        lambda key, x0, e: flow_matching.conditional_flow_matching(key, field, x0, e),
        (KEY, normal(3), normal(3)),
    ),
    "genjax.flow_matching.flow_matching_error": Row(
        lambda x0, t, e: flow_matching.flow_matching_error(field, x0, t, e), (normal(3), TIME, normal(3))
    ),
    "genjax.flow_matching.log_prob": Row(
        lambda x0: flow_matching.log_prob(KEY, field, x0, rtol=1e-6, atol=1e-6),
        (normal(2),),
        bfloat16=False,
        gradient="none",
        slow=True,
    ),
    "genjax.flow_matching.mean_flow_error": Row(
        lambda x0, e: flow_matching.mean_flow_error(lambda x, r, t: field(x, t - r), x0, 0.2, 0.7, e),
        (normal(3), normal(3)),
        gradient="estimator",
    ),
    "genjax.flow_matching.minibatch_ot_pairing": Row(
        flow_matching.minibatch_ot_pairing, (normal(4, 2), normal(4, 2)), gradient="none", bfloat16=True
    ),
    "genjax.flow_matching.path_energy": Row(
        lambda e: flow_matching.path_energy(field, e, num_steps=4), (normal(3),)
    ),
    "genjax.flow_matching.sample": Row(
        lambda e: flow_matching.sample(field, e, num_steps=3, sampler=diffusion.heun()), (normal(3),)
    ),
}

SCHEDULES = "tests/diffusion/test_schedules.py"
SAMPLERS = "tests/diffusion/test_sampling.py"
RECORDS = (
    {
        f"genjax.diffusion.{name}": SCHEDULES
        for name in (
            "DiscreteSchedule",
            "Level",
            "Prediction",
            "ScheduleReport",
            "check_schedule",
            "cosine_schedule",
            "edm",
            "linear_schedule",
            "log_snr_linear",
            "logit_normal_time",
            "low_discrepancy_times",
            "preflight",
            "prior_sample",
            "rectified",
            "rescale_zero_terminal_snr",
            "schedule_from_betas",
            "variance_exploding",
            "variance_preserving",
        )
    }
    | {
        f"genjax.diffusion.{name}": SAMPLERS
        for name in (
            "Sampler",
            "ancestral",
            "ddim",
            "dpm_solver_pp_2m",
            "euler",
            "euler_maruyama",
            "heun",
            "predictor_corrector",
        )
    }
    | {"genjax.diffusion.log_snr_times": "tests/diffusion/test_times.py"}
    | {"genjax.diffusion.inpainting": "tests/diffusion/test_inpainting.py"}
    | {"genjax.diffusion.BoundTerms": "tests/diffusion/test_bound.py"}
)

ODD = jnp.zeros((2, 1))
STRUCTURE = [
    (
        partial(diffusion.denoising_error, field, LINEAR),
        (ONE, 3, TWO),
        ValueError,
        r"x0 \(1,\), noise \(2,\)",
    ),
    (
        lambda x0: diffusion.denoising_error(lambda x, t: x[:1], LINEAR, x0, 3, x0),
        (TWO,),
        ValueError,
        r"noise_fn\(x_t, t\) \(1,\)",
    ),
    (
        lambda x0: diffusion.add_noise(LINEAR, x0, jnp.array([1, 2]), x0),
        (TWO,),
        ValueError,
        "t must be a scalar",
    ),
    (lambda x0: diffusion.add_noise(LINEAR, x0, 0.5, x0), (TWO,), TypeError, r"integer times 0\.\.100"),
    (lambda x0: diffusion.add_noise(VP, x0, 1, x0), (TWO,), TypeError, "floating-point times; got int"),
    (lambda x0: diffusion.log_prob(KEY, field, LINEAR, x0), (TWO,), TypeError, "needs a continuous schedule"),
    (lambda x0: diffusion.variational_bound(KEY, field, VP, x0), (TWO,), TypeError, "of a discrete schedule"),
    (
        lambda x: diffusion.convert(LINEAR, x, x, 3, source=Prediction.VELOCITY, target=Prediction.DATA),
        (TWO,),
        ValueError,
        "a discrete schedule has none",
    ),
    (
        lambda x: diffusion.sample(KEY, field, LINEAR, x, sampler=diffusion.ddim()),
        (TWO,),
        ValueError,
        "num_steps or times; got neither",
    ),
    (
        lambda x: diffusion.sample(KEY, field, LINEAR, x, num_steps=101, sampler=diffusion.ddim()),
        (TWO,),
        ValueError,
        "at most the schedule's 100; got 101",
    ),
    (
        lambda x: diffusion.sample(
            KEY, field, LINEAR, x, num_steps=3, times=jnp.array([9, 4]), sampler=diffusion.ddim()
        ),
        (TWO,),
        ValueError,
        "disagree: 3 steps, 2 times",
    ),
    (
        lambda e: flow_matching.sample(field, e, num_steps=3, sampler=diffusion.ancestral()),
        (TWO,),
        ValueError,
        "deterministic samplers",
    ),
    (
        lambda x: diffusion.inpainting(diffusion.ddim(), x, jnp.ones(3, bool)),
        (TWO,),
        ValueError,
        r"known \(2,\), mask \(3,\)",
    ),
    (
        partial(flow_matching.flow_matching_error, field),
        (TWO, jnp.array([0.3]), TWO),
        ValueError,
        r"t must be a scalar.*\(1,\)",
    ),
    (partial(score.sliced_score_matching, jnp.sin), (ONE, TWO), ValueError, r"x \(1,\), direction \(2,\)"),
    (
        lambda x: score.langevin_step(lambda x: x[:1], x, x, step_size=0.1),
        (TWO,),
        ValueError,
        r"score_fn\(x\) \(1,\)",
    ),
]

VALUES = [
    (lambda x: diffusion.add_noise(VP, x, 1.5, x), (TWO,), r"t must lie in \[0, 1\]"),
    (lambda x: diffusion.add_noise(LINEAR, x, 101, x), (TWO,), r"t must lie in 0\.\.100"),
    (lambda x: diffusion.add_noise(LINEAR, x, 3, x), (NAN,), "x0 must not be NaN"),
    (
        lambda x: diffusion.sample(
            KEY, lambda x, t: x * jnp.nan, LINEAR, x, num_steps=3, sampler=diffusion.ddim()
        ),
        (TWO,),
        "step must leave a number",
    ),
    (
        lambda s: score.langevin_step(jnp.sin, TWO, TWO, step_size=s),
        (jnp.array(-1.0),),
        "step_size must be positive",
    ),
    (
        lambda s: score.denoising_score_matching(jnp.sin, TWO, TWO, sigma=s),
        (jnp.array(0.0),),
        "sigma must be positive",
    ),
]
