"""Batches in place of a scalar, and noise and predictions of another shape, are refused by their shapes."""

import re

import jax
import jax.numpy as jnp
import pytest

from genjax import densities, diffusion, energy, flow_matching, metrics, score, transport, vae
from genjax.diffusion import Prediction

from ..registry.diffusion import LINEAR, VP, field
from ..registry.row import KEY, ONE, TWO
from ..registry.vae import encode, log_likelihood

pytestmark = pytest.mark.usefixtures("untyped", "standard_promotion")

HALF = jnp.array([0.5, 0.5])
EYE = jnp.eye(2)

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
