"""Recipes of diffusion: what guidance says and costs, and the bound of images against its closed form."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import diffusion
from genjax.data import Spec
from genjax.densities import discretized_normal_log_prob
from genjax.divergences import kl_standard_normal
from genjax.recipes import flow_matching
from genjax.recipes.denoiser import denoiser
from genjax.recipes.diffusion import Config, model, schedule_of
from genjax.recipes.grey_levels import chain_of

DIGITS = Spec("digits", (2, 2), num_levels=17, num_classes=3)
CONFIG = replace(Config(), conditional=True, width=8, layers=1)


@pytest.mark.parametrize(("scale", "calls"), [(0.0, 1), (1.0, 1), (2.0, 2)])
def test_guidance_calls_only_the_networks_it_needs(scale, calls):
    made = denoiser(replace(CONFIG, guidance=scale), DIGITS)
    leaves, treedef = jax.tree.flatten(made.init(jax.random.key(0)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [leaf + 0.5 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)]
    params = jax.tree.unflatten(treedef, moved)
    x, t = jnp.ones((2, 2)), jnp.array(0.5)
    conditional, unconditional = (made.network(params, label)(x, t) for label in (1, 3))
    assert np.abs(conditional - unconditional).max() > 0.1
    guided = made.guided(params, 1, scale)
    expected = unconditional + scale * (conditional - unconditional)
    np.testing.assert_allclose(guided(x, t), expected, rtol=1e-5)
    products = lambda fn: str(jax.make_jaxpr(fn)(x, t)).count("dot_general")
    assert made.calls == calls == products(guided) // products(made.network(params, 1))


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["linear", "cosine", "vp", "rectified", "flow matching"])
def test_the_bound_of_images_is_the_closed_form_where_the_network_knows_nothing(name):
    """Of a guess of 0 each step costs what it adds to SNR, so that only the ends of the chain remain."""
    guess = lambda params, x, t, label=None: jnp.zeros_like(x)
    if name == "flow matching":  # whose velocity (x − x̂0)/t says that x̂0 is 0
        guess, schedule = lambda params, x, t, label=None: x / t, diffusion.rectified()
        config = replace(flow_matching.Config(), conditional=True)
        made = flow_matching.model(config, DIGITS, network=(lambda key: {}, guess))
    else:
        config = replace(CONFIG, schedule=name, prediction="data", sampler="dpm")
        made, schedule = model(config, DIGITS, network=(lambda key: {}, guess)), schedule_of(config)
    chain, times = chain_of(schedule, 17)
    log_snr = np.asarray(jax.vmap(schedule.log_snr)(times), np.float64)
    np.testing.assert_allclose(jax.vmap(chain.log_snr)(jnp.arange(1, len(times) + 1)), log_snr, atol=1e-4)
    assert 80 < len(times) <= 200
    assert np.exp(-log_snr[0] / 2) >= 1 / 8  # the noise against the distance of two levels
    assert np.exp(log_snr[-1] / 2) < 0.01

    levels = jnp.array([[0, 16], [3, 9]])
    x0, nothing = np.asarray(levels, np.float32) / 8 - 1, jnp.zeros((2, 2))
    like = lambda log_snr, sign: jnp.full((2, 2), jax.nn.log_sigmoid(sign * jnp.float32(log_snr)))
    prior = kl_standard_normal(jnp.exp(like(log_snr[-1], 1) / 2) * x0, like(log_snr[-1], -1))
    decoder = discretized_normal_log_prob(jnp.asarray(x0), nothing, like(log_snr[0], -1), num_levels=17)
    steps = (np.exp(log_snr[0]) - np.exp(log_snr[-1])) / 2 * np.sum(x0**2)
    (log_prob,) = made.log_probs.values()
    found = log_prob.fn({}, jax.random.key(0), (levels, jnp.array(1)))
    np.testing.assert_allclose(found, -(prior + steps - decoder + np.log(3)), rtol=1e-4)
