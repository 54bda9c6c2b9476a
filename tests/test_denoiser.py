"""Recipes of diffusion: what guidance says and costs, and the bound of images against its closed form."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data import Spec
from genjax.densities import discretized_normal_log_prob
from genjax.divergences import kl_standard_normal
from genjax.recipes.denoiser import denoiser
from genjax.recipes.diffusion import Config, coarser, model, schedule_of

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
@pytest.mark.parametrize("schedule_name", ["linear", "cosine"])
def test_the_bound_of_images_is_the_closed_form_where_the_network_knows_nothing(schedule_name):
    """Of a guess of 0 each step costs what it adds to SNR, so that only the ends of the chain remain."""
    config = replace(CONFIG, schedule=schedule_name, prediction="data", sampler="dpm")
    nothing = (lambda key: {}), (lambda params, x, t, label=None: jnp.zeros_like(x))
    (log_prob,) = model(config, DIGITS, network=nothing).log_probs.values()
    levels = jnp.array([[0, 16], [3, 9]])
    x0, schedule = np.asarray(levels) / 8.0 - 1, schedule_of(config)
    chain, times = coarser(schedule, 17)
    np.testing.assert_allclose(
        jax.vmap(chain.alpha)(jnp.arange(1, len(times) + 1)), jax.vmap(schedule.alpha)(times), rtol=1e-5
    )
    first, last = times[0], times[-1]
    assert schedule.sigma(first) >= 1 / 8 > schedule.sigma(first - 1)
    assert last == 1000
    snr = lambda t: np.exp(np.float64(schedule.log_snr(t)))
    alpha, sigma = schedule.alpha(last), schedule.sigma(last)
    prior = kl_standard_normal(alpha * x0, jnp.full_like(x0, 2 * jnp.log(sigma)))
    decoder = discretized_normal_log_prob(
        jnp.float32(x0),
        jnp.zeros((2, 2)),
        jnp.full((2, 2), 2 * jnp.log(schedule.sigma(first))),
        num_levels=17,
    )
    expected = prior + (snr(first) - snr(last)) / 2 * np.sum(x0**2) - decoder + np.log(3)
    found = log_prob.fn({}, jax.random.key(0), (levels, jnp.array(1)))
    np.testing.assert_allclose(found, -expected, rtol=1e-4)
