"""Public functions given what they do not take: keys, dtypes, batches, levels, labels and times. Each says so."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import genjax
from genjax import (
    autoregressive,
    densities,
    diffusion,
    divergences,
    energy,
    flow,
    flow_matching,
    gan,
    metrics,
    oracles,
    score,
    transport,
    vae,
)
from genjax.diffusion import Prediction

from .registry import ROWS
from .registry.diffusion import CONTINUOUS, LINEAR, VP, field
from .registry.row import INTS, KEY, ONE, TWO
from .registry.vae import encode, log_likelihood
from .test_registry import PUBLIC, cast, is_float, is_key

pytestmark = pytest.mark.usefixtures("untyped", "standard_promotion")

RBM = energy.RestrictedBoltzmann(jnp.zeros((3, 2)), jnp.zeros(3), jnp.zeros(2))
HALF, EYE = jnp.array([0.5, 0.5]), jnp.eye(2)
WHOLE, WHOLE_EYE = jnp.array([1, 0]), jnp.eye(2, dtype=int)
FLAT = flow.Affine(TWO, TWO)

KEYED = {
    "genjax.autoregressive.random_degrees": lambda key: autoregressive.random_degrees(key, 3, (4,)),
    "genjax.diffusion.DiscreteSchedule.sample_time": LINEAR.sample_time,
    "genjax.diffusion.log_prob": lambda key: diffusion.log_prob(key, field, VP, TWO),
    "genjax.diffusion.logit_normal_time": diffusion.logit_normal_time,
    "genjax.diffusion.low_discrepancy_times": lambda key: diffusion.low_discrepancy_times(key, 3),
    "genjax.diffusion.prior_sample": lambda key: diffusion.prior_sample(key, VP, (2,)),
    "genjax.energy.ReplayBuffer.draw": lambda key: energy.ReplayBuffer(EYE).draw(key, EYE),
    "genjax.energy.RestrictedBoltzmann.gibbs": lambda key: RBM.gibbs(key, jnp.zeros(3)),
    "genjax.energy.RestrictedBoltzmann.sample_exact": lambda key: RBM.sample_exact(key, 2),
    "genjax.flow_matching.log_prob": lambda key: flow_matching.log_prob(key, field, TWO),
    "genjax.oracles.AutoregressiveTable.sample": lambda key: oracles.AutoregressiveTable((TWO, EYE)).sample(
        key, 2
    ),
    "genjax.oracles.EnumerableEnergy.sample": lambda key: oracles.EnumerableEnergy(EYE).sample(key, 2),
    "genjax.oracles.GaussianMixture.sample": lambda key: oracles.GaussianMixture(
        HALF, EYE, jnp.stack([EYE, EYE])
    ).sample(key, 2),
    "genjax.oracles.LinearGaussian.sample": lambda key: oracles.LinearGaussian(EYE, TWO, TWO).sample(key, 2),
} | {f"genjax.diffusion.{name}.sample_time": s.sample_time for name, s in CONTINUOUS.items()}
"""What takes a key and has no row with one, or is a method."""


def takers_of_keys():
    """Every public function with a key, and every method of a public class."""
    for name, value in PUBLIC.items():
        if inspect.isclass(value):
            methods = inspect.getmembers(value, inspect.isfunction)
            of_keys = [m for m, fn in methods if "key" in inspect.signature(fn).parameters]
            yield from (f"{name}.{method}" for method in of_keys if not method.startswith("_"))
        elif callable(value) and "key" in inspect.signature(value).parameters:
            yield name


def by_row(row):
    """A row as a function of its key alone."""
    place = next(i for i, arg in enumerate(row.args) if is_key(arg))
    args = cast(row.args, np.float32)
    return lambda key: row.call(*args[:place], key, *args[place + 1 :])


WITH_ROW = {name: by_row(row) for name, row in ROWS.items() if any(map(is_key, row.args))}


def test_every_function_that_takes_a_key_is_tried():
    assert set(takers_of_keys()) <= set(WITH_ROW) | set(KEYED)


@pytest.mark.parametrize("name", sorted(WITH_ROW | KEYED))
def test_legacy_keys_and_several_keys_are_refused(name):
    call = (WITH_ROW | KEYED)[name]
    with pytest.raises(TypeError, match=r"key must be a typed key from jax\.random\.key; got uint32"):
        jax.eval_shape(call, jax.random.PRNGKey(0))
    with pytest.raises(ValueError, match=r"key must be one key, of shape \(\); got shape \(2,\)"):
        jax.eval_shape(call, jax.random.split(KEY))


USERS = "it goes to the user's own function alone"
STATES = "states of an energy may be integers: spins, units, levels"
ROW = "the row turns it into floats; called directly below"
INTEGERS_PASS = {
    "autoregressive.bayes_rule": ({1}, ROW),
    "autoregressive.reordered": ({0}, USERS),
    "diffusion.classifier_free_guidance": ({0}, USERS),
    "diffusion.composed": ({0}, USERS),
    "diffusion.rescaled": ({0}, USERS),
    "divergences.gaussian_frechet_distance": ({1, 3}, ROW),
    "divergences.js_categorical": ({0, 1}, ROW),
    "divergences.kl_categorical": ({0, 1}, ROW),
    "energy.annealed_bracket": ({1}, USERS),
    "energy.annealed_importance_sampling": ({1}, USERS),
    "energy.base_rate_logits": ({0}, STATES),
    "energy.boltzmann_bracket": ({5}, ROW),
    "energy.contrastive_divergence": ({0, 1, 2}, STATES),
    "energy.geometric_path": ({0, 1, 2}, STATES + "; the ends 0 and 1 of the path are exact"),
    "energy.log_partition_enumeration": ({0, 1}, STATES),
    "energy.log_partition_quadrature": ({0}, USERS),
    "energy.metropolis_langevin": ({1, 3}, USERS + ", or a whole step size, which is exact"),
    "energy.noise_contrastive_estimation": ({0}, USERS),
    "flow.ContextConditioner": ({0, 1}, USERS),
    "flow.ContinuousFlow": ({0}, USERS),
    "flow.Coupling": ({0}, USERS),
    "flow.MaskedAutoregressive": ({0}, USERS),
    "flow.fit_actnorm": ({0}, "the values of a layer that is set anew"),
    "flow.given": ({0, 1}, USERS),
    "gan.kl": ({0}, "a part of a game, which checks its logits"),
    "gan.reverse_kl": ({0}, "a part of a game, which checks its logits"),
    "gan.value_at_optimum": ({0, 1}, ROW),
    "metrics.inception_score": ({0}, ROW),
    "metrics.mode_divergence": ({0}, ROW),
    "oracles.DiscreteGan": ({0}, ROW),
    "oracles.GaussianMixture": ({0, 2}, ROW),
    "structures.Bound": ({0, 1}, USERS),
    "transport.carry": ({0}, USERS),
    "transport.divergence": ({0, 2}, USERS),
    "transport.hutchinson_divergence": ({0, 2, 3}, USERS + "; signs of a direction may be integers"),
    "transport.integrate": ({0}, USERS),
}
"""Arguments of rows that may be integers, and why."""


@pytest.mark.parametrize("name", sorted(ROWS))
def test_integers_in_place_of_floats_are_refused_by_their_dtype(name):
    row = ROWS[name]
    passing, _ = INTEGERS_PASS.get(name.removeprefix("genjax."), (set(), ""))
    args = cast(row.args, np.float32)
    for i in filter(lambda i: is_float(row.args[i]), range(len(args))):
        call = lambda i=i: jax.eval_shape(
            row.call, *args[:i], np.ones(np.shape(args[i]), np.int32), *args[i + 1 :]
        )
        if i in passing:
            call()
        else:
            with pytest.raises((TypeError, ValueError), match=r"(got|dtype) int32"):
                call()


@pytest.mark.parametrize(
    ("fn", "args", "name"),
    [
        (autoregressive.bayes_rule, (lambda x, y: WHOLE[y], TWO, jnp.log(HALF)), r"log_likelihood\(x, y\)"),
        (autoregressive.bayes_rule, (lambda x, y: HALF[y], TWO, WHOLE), "log_prior"),
        (diffusion.interpolated_variance, (WHOLE,), "share"),
        (divergences.gaussian_frechet_distance, (TWO, WHOLE_EYE, TWO, EYE), "cov_a"),
        (divergences.js_categorical, (WHOLE, HALF), "p"),
        (divergences.js_categorical, (HALF, WHOLE), "q"),
        (divergences.kl_categorical, (WHOLE, HALF), "p"),
        (divergences.kl_categorical, (HALF, WHOLE), "q"),
        (
            energy.RestrictedBoltzmann(jnp.zeros((3, 2), int), jnp.zeros(3), TWO).free_energy,
            (jnp.zeros(3),),
            "weights",
        ),
        (gan.value_at_optimum, (WHOLE, HALF), "p"),
        (gan.value_at_optimum, (HALF, WHOLE), "q"),
        (genjax.bits_per_dim, (jnp.array(3), 2), "nll"),
        (genjax.dequantize, (INTS, INTS), "noise"),
        (metrics.inception_score, (WHOLE_EYE,), "probs"),
        (metrics.mode_divergence, (WHOLE, WHOLE), "weights"),
        (oracles.DiscreteGan(WHOLE).value_at_optimum, (HALF,), "p"),
        (oracles.GaussianMixture(WHOLE, EYE, jnp.stack([EYE, EYE])).log_prob, (TWO,), "weights"),
        (oracles.GaussianMixture(HALF, EYE, jnp.stack([WHOLE_EYE] * 2)).log_prob, (TWO,), "covs"),
    ],
)
def test_integers_where_the_row_makes_them_floats_are_refused_too(fn, args, name):
    with pytest.raises(TypeError, match=f"{name} must be floating point; got int32"):
        fn(*args)


IMAGE = np.zeros((2, 2), np.uint8)
STILL = flow.Affine(jnp.zeros((2, 2)), jnp.zeros((2, 2)))


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (lambda x: diffusion.l_simple(KEY, field, LINEAR, x), "x0"),
        (lambda x: diffusion.denoising_loss(KEY, field, VP, x, prediction=Prediction.V), "x0"),
        (lambda x: diffusion.variational_bound(KEY, field, LINEAR, x), "x0"),
        (lambda x: diffusion.edm_loss(KEY, field, x), "x0"),
        (lambda x: diffusion.log_prob(KEY, field, VP, x), "x0?"),
        (lambda x: flow_matching.conditional_flow_matching(KEY, field, x, x), "x0|noise"),
        (lambda x: flow.log_prob(STILL, x), "x"),
        (lambda x: score.langevin(KEY, jnp.sin, x, step_size=0.1, num_steps=2), "x"),
        (lambda x: score.implicit_score_matching(jnp.sin, x), "x"),
        (lambda x: energy.metropolis_langevin(KEY, jnp.sum, x, step_size=0.1), "x"),
        (lambda x: gan.gradient_penalty(jnp.sum, x), "x"),
        (lambda x: metrics.frechet_distance(x, x), "a"),
        (lambda x: transport.divergence(field, x, 0.5), "x"),
        (lambda x: densities.standard_normal_log_prob(x), "x"),
    ],
)
def test_images_of_bytes_are_refused_where_floats_are_expected(fn, name):
    with pytest.raises(
        TypeError, match=rf"^({name}) must be (floating point|float32 or float64.*); got uint8"
    ):
        fn(IMAGE)


BATCHED = {
    "t of a schedule": (lambda: diffusion.snr_weight(VP, HALF), r"t must be a scalar; got shape \(2,\)"),
    "weight": (
        lambda: diffusion.denoising_loss(
            KEY, field, VP, TWO, prediction=Prediction.V, weight=lambda schedule, t: HALF
        ),
        r"weight\(schedule, t\) must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    "time_sampler": (
        lambda: diffusion.denoising_loss(
            KEY, field, VP, TWO, prediction=Prediction.V, time_sampler=lambda key: HALF
        ),
        r"t must be a scalar, of shape \(\); got shape \(2,\)",
    ),
    "sigma": (
        lambda: diffusion.edm_error(field, TWO, HALF, TWO, sigma_data=0.5),
        r"sigma must be a scalar.* got shape \(2,\)",
    ),
    "r": (
        lambda: flow_matching.mean_flow_error(lambda x, r, t: x, TWO, HALF, 0.7, TWO),
        r"r must be a scalar.* got shape \(2,\)",
    ),
    "beta": (
        lambda: vae.negative_elbo(KEY, encode, log_likelihood, TWO, beta=HALF),
        r"beta must be a scalar.* got shape \(2,\)",
    ),
    "log_weight": (
        lambda: vae.log_mean_weight(KEY, lambda key: TWO, num_samples=2, chunk_size=1),
        r"log_weight\(key\) must be a scalar.* got shape \(2,\)",
    ),
    "beta of a path": (
        lambda: energy.geometric_path(jnp.sum, jnp.sum)(TWO, HALF),
        r"beta must be a scalar.* got shape \(2,\)",
    ),
    "log_z": (
        lambda: energy.noise_contrastive_estimation(
            jnp.sum, densities.standard_normal_log_prob, TWO, TWO, jnp.ones((1, 2))
        ),
        r"log_z must be a scalar.* got shape \(2,\)",
    ),
    "std": (
        lambda: metrics.mode_coverage(EYE, EYE, std=HALF),
        r"std must be a scalar.* got shape \(2,\)",
    ),
    "t of a velocity": (
        lambda: transport.divergence(field, TWO, HALF),
        r"t must be a scalar.* got shape \(2,\)",
    ),
    "sigma of score matching": (
        lambda: score.denoising_score_matching(jnp.sin, TWO, TWO, sigma=HALF),
        r"sigma must be a scalar.* got shape \(2,\)",
    ),
    "step_size": (
        lambda: score.langevin(KEY, jnp.sin, TWO, step_size=HALF, num_steps=2),
        r"step_size must be a scalar.* got shape \(2,\)",
    ),
}


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_in_place_of_a_scalar_is_refused_by_its_shape(name):
    call, message = BATCHED[name]
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(call)


def short(x, *times):
    """A network whose output has lost a coordinate."""
    return x[:1]


MISMATCHED = {
    "add_noise": lambda: diffusion.add_noise(VP, TWO, 0.5, ONE),
    "annealed_langevin": lambda: score.annealed_langevin(
        KEY, short, TWO, HALF + TWO, step_size=0.1, num_steps=1
    ),
    "conditional_flow_matching, noise": lambda: flow_matching.conditional_flow_matching(KEY, field, TWO, ONE),
    "conditional_flow_matching, velocity": lambda: flow_matching.conditional_flow_matching(
        KEY, short, TWO, TWO
    ),
    "continuous_bound_error": lambda: diffusion.continuous_bound_error(short, VP, TWO, 0.5, TWO),
    "convert": lambda: diffusion.convert(VP, ONE, TWO, 0.5, source=Prediction.NOISE, target=Prediction.V),
    "denoising_loss": lambda: diffusion.denoising_loss(KEY, short, VP, TWO, prediction=Prediction.V),
    "denoising_score_matching": lambda: score.denoising_score_matching(short, TWO, TWO, sigma=0.5),
    "edm_error": lambda: diffusion.edm_error(short, TWO, 0.5, TWO, sigma_data=0.5),
    "edm_loss": lambda: diffusion.edm_loss(KEY, short, TWO),
    "hybrid_error": lambda: diffusion.hybrid_error(
        short, LINEAR, TWO, 30, TWO, reverse_variance=diffusion.posterior_variance
    ),
    "invert": lambda: diffusion.invert(short, VP, TWO, num_steps=2),
    "mean_flow_error": lambda: flow_matching.mean_flow_error(short, TWO, 0.2, 0.5, TWO),
    "multi_level_score_matching": lambda: score.multi_level_score_matching(KEY, short, TWO, HALF),
    "posterior": lambda: diffusion.posterior(VP, TWO, ONE, 0.2, 0.5),
    "sample": lambda: diffusion.sample(KEY, short, VP, TWO, num_steps=2, sampler=diffusion.ddim()),
    "sample of a flow": lambda: flow_matching.sample(short, TWO, num_steps=2),
    "variational_bound": lambda: diffusion.variational_bound(KEY, short, LINEAR, TWO),
    "carry": lambda: transport.carry(short, TWO, start=0.0, end=1.0, num_steps=2),
    "hutchinson_divergence": lambda: transport.hutchinson_divergence(field, TWO, 0.5, ONE),
    "elbo_terms": lambda: vae.elbo_terms(encode, log_likelihood, TWO, ONE),
    "implicit_score_matching": lambda: score.implicit_score_matching(short, TWO),
}


@pytest.mark.parametrize("name", MISMATCHED)
def test_noise_and_predictions_of_another_shape_are_refused_by_both_shapes(name):
    with pytest.raises(ValueError, match=r"\((1|2),\).*\((2|1),\)") as caught:
        jax.eval_shape(MISMATCHED[name])
    assert {"(1,)", "(2,)"} <= set(re.findall(r"\(\d,\)", str(caught.value)))


HALVED = jnp.array([0.5, -0.3], jnp.bfloat16)


def wide(x, *times):
    """A network that computes in float32 whatever it is given."""
    return x.astype(jnp.float32)


CARRIED = {
    "annealed_langevin": lambda: score.annealed_langevin(
        KEY, wide, HALVED, jnp.array([2.0, 1.0]), step_size=0.1, num_steps=1
    ),
    "invert": lambda: diffusion.invert(wide, VP, HALVED, num_steps=2),
    "langevin": lambda: score.langevin(KEY, wide, HALVED, step_size=0.1, num_steps=1),
    "path_energy": lambda: flow_matching.path_energy(wide, HALVED, num_steps=2),
    "sample": lambda: diffusion.sample(KEY, wide, VP, HALVED, num_steps=2, sampler=diffusion.heun()),
    "sample of a flow": lambda: flow_matching.sample(wide, HALVED, num_steps=2),
}


@pytest.mark.parametrize("name", CARRIED)
def test_a_network_that_would_widen_the_state_of_a_chain_is_refused_by_both_dtypes(name):
    with pytest.raises(TypeError, match=r"must not be wider than x.*float32, x bfloat16"):
        jax.eval_shape(CARRIED[name])


SCHEDULES = {
    **{name: (s, (-0.5, 2.0 if name != "Edm" else np.nan, np.nan)) for name, s in CONTINUOUS.items()},
    "DiscreteSchedule": (LINEAR, (-1, 101)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_times_outside_a_schedule_raise_and_under_jit_give_nan(name):
    schedule, times = SCHEDULES[name]
    scales = lambda t: (schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t))
    for t in times:
        for scale in (schedule.alpha, schedule.sigma, schedule.log_snr):
            with pytest.raises(ValueError, match=rf"t must lie in .*; got {t}"):
                scale(t)
    assert np.isnan(jax.jit(jax.vmap(scales))(jnp.array(times))).all()


EDGES = [
    (lambda t: diffusion.posterior(VP, TWO, TWO, 0.4, t), 0.3, r"s must lie before t = 0\.3.*; got 0\.4"),
    (
        lambda t: diffusion.continuous_bound_error(field, VP, TWO, t, TWO),
        1.5,
        r"t must lie in \[0, 1\]; got 1.5",
    ),
    (
        lambda t: flow_matching.flow_matching_error(field, TWO, t, TWO),
        -0.5,
        r"t must lie in \[0, 1\]; got -0.5",
    ),
    (
        lambda t: flow_matching.mean_flow_error(lambda x, r, t: x, TWO, 0.75, t, TWO),
        0.5,
        r"r must be at most t; got 0\.75",
    ),
    (
        lambda t: flow_matching.mean_flow_error(lambda x, r, t: x, TWO, t, 0.5, TWO),
        -0.5,
        r"t must lie in \[0, 1\]; got -0\.5",
    ),
    (lambda t: diffusion.likelihood_weight(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.transition_variance(VP, 0.5, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.min_snr_weight(Prediction.V)(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (lambda t: diffusion.edm_weight()(VP, t), 2.0, r"t must lie in \[0, 1\]; got 2\.0"),
    (
        lambda t: diffusion.convert(LINEAR, TWO, TWO, t, source=Prediction.NOISE, target=Prediction.V),
        101,
        r"t must lie in 0\.\.100; got 101",
    ),
    (
        lambda x: genjax.dequantize(x, HALF),
        [0, 256],
        r"levels must lie in 0\.\.255; got 256 at flat position 1",
    ),
    (
        lambda x: genjax.dequantize(INTS, x),
        [0.5, 1.5],
        r"noise must lie in \[0, 1\); got 1\.5 at flat position 1",
    ),
    (
        lambda x: densities.discretized_logistic_mixture_log_prob(x, EYE, EYE, EYE),
        [0.0, 1.25],
        r"x must lie on the grid of 256 levels in \[-1, 1\]; got 0\.0 at flat position 0",
    ),
    (
        lambda x: densities.discretized_logistic_log_prob(x, TWO, TWO, num_levels=3),
        [0.0, 2.0],
        r"x must lie on the grid of 3 levels in \[-1, 1\]; got 2\.0 at flat position 1",
    ),
    (
        lambda x: densities.categorical_log_prob(x, EYE),
        np.array([1, 255], np.uint8),
        r"x must lie in 0\.\.1; got 255 at flat position 1",
    ),
    (
        lambda x: metrics.mode_divergence(x, HALF),
        [0, -1],
        r"modes must lie in 0\.\.1; got -1 at flat position 1",
    ),
    (lambda x: densities.bernoulli_log_prob(x, TWO), [1, 2], "x must be 0 or 1; got 2 at flat position 1"),
]


@pytest.mark.parametrize(("fn", "value", "message"), EDGES)
def test_levels_labels_and_times_out_of_range_raise_and_under_jit_give_nan(fn, value, message):
    with pytest.raises(ValueError, match=message):
        fn(jnp.asarray(value))
    assert all(np.isnan(leaf).any() for leaf in jax.tree.leaves(jax.jit(fn)(jnp.asarray(value))))


@pytest.mark.parametrize("prefix", [[3], [-1]])
def test_a_level_out_of_range_in_a_prefix_raises(prefix):
    with pytest.raises(ValueError, match=rf"prefix must lie in 0\.\.2; got {prefix[0]} at flat position 0"):
        autoregressive.sample(KEY, lambda x: jnp.zeros((2, 3)), 2, prefix=jnp.array(prefix))


def test_what_is_differentiated_is_not_concrete_and_gives_nan():
    both = jax.value_and_grad(lambda step: jnp.sum(score.langevin_step(jnp.sin, TWO, TWO, step_size=step)))
    assert jnp.isnan(both(-1.0)[0])
    with pytest.raises(ValueError, match="step_size must be positive"):
        genjax.checked(both)(-1.0)
