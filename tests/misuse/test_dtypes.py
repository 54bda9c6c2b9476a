"""Integers where floats belong, and networks that would widen what a chain carries, are refused by their dtype."""

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
)
from genjax.diffusion import Prediction

from ..registry import ROWS
from ..registry.diffusion import LINEAR, VP, field
from ..registry.row import INTS, KEY, TWO
from ..test_registry import cast, is_float

pytestmark = pytest.mark.usefixtures("untyped", "standard_promotion")

HALF = jnp.array([0.5, 0.5])
EYE = jnp.eye(2)
WHOLE, WHOLE_EYE = jnp.array([1, 0]), jnp.eye(2, dtype=int)

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
