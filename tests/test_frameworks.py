"""Losses and recipes take networks of Flax NNX, Flax Linen and Equinox."""

from dataclasses import replace
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen, nnx

from genjax import expectation, nn, report
from genjax.data import load
from genjax.densities import bernoulli_log_prob
from genjax.recipes import diffusion, flow_matching, score
from genjax.training import open_run
from genjax.vae import negative_elbo

pytestmark = pytest.mark.usefixtures("standard_promotion")

DIMS, LATENTS, HIDDEN = 12, 2, 16
DATA = (jax.random.uniform(jax.random.key(9), (64, DIMS)) < jnp.linspace(0.05, 0.95, DIMS)[None]).astype(
    float
)


def loss_of(encoder, decoder):
    """One example: two callables become the model."""

    def loss(key, x):
        encode = lambda x: tuple(jnp.split(encoder(x), 2))
        return negative_elbo(key, encode, lambda x, z: bernoulli_log_prob(x, decoder(z)), x)

    return loss


def with_nnx():
    encoder_init, encoder = nn.functional(lambda rngs: nn.MLP(DIMS, (HIDDEN,), 2 * LATENTS, rngs=rngs))
    decoder_init, decoder = nn.functional(lambda rngs: nn.MLP(LATENTS, (HIDDEN,), DIMS, rngs=rngs))
    params = (encoder_init(jax.random.key(0)), decoder_init(jax.random.key(1)))
    return params, lambda p: loss_of(partial(encoder, p[0]), partial(decoder, p[1]))


def with_nnx_modules():
    """NNX by its own split and merge, without this library's wrapper."""
    encoder = nnx.Linear(DIMS, 2 * LATENTS, rngs=nnx.Rngs(0))
    decoder = nnx.Linear(LATENTS, DIMS, rngs=nnx.Rngs(1))
    graphs, params = zip(*(nnx.split(m) for m in (encoder, decoder)), strict=True)
    return params, lambda p: loss_of(*(nnx.merge(g, s) for g, s in zip(graphs, p, strict=True)))


def with_linen():
    encoder, decoder = (
        linen.Sequential([linen.Dense(HIDDEN), linen.tanh, linen.Dense(width)])
        for width in (2 * LATENTS, DIMS)
    )
    params = (
        encoder.init(jax.random.key(0), jnp.zeros(DIMS)),
        decoder.init(jax.random.key(1), jnp.zeros(LATENTS)),
    )
    return params, lambda p: loss_of(partial(encoder.apply, p[0]), partial(decoder.apply, p[1]))


def with_equinox():
    keys = jax.random.split(jax.random.key(0))
    models = (
        eqx.nn.MLP(DIMS, 2 * LATENTS, HIDDEN, 1, key=keys[0]),
        eqx.nn.MLP(LATENTS, DIMS, HIDDEN, 1, key=keys[1]),
    )
    params, static = eqx.partition(models, eqx.is_inexact_array)
    return params, lambda p: loss_of(*eqx.combine(p, static))


@pytest.mark.parametrize("framework", [with_nnx, with_nnx_modules, with_linen, with_equinox])
def test_training_lowers_the_loss(framework):
    params, model = framework()
    optimizer = optax.adam(1e-2)

    def step(carry, key):
        params, opt_state = carry
        objective = lambda p: expectation(model(p))(key, DATA)
        value, gradient = jax.value_and_grad(objective)(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), value

    keys = jax.random.split(jax.random.key(2), 200)
    _, values = jax.jit(partial(jax.lax.scan, step))((params, optimizer.init(params)), keys)
    assert jnp.isfinite(values).all()
    assert values[-20:].mean() < values[:5].mean() - 1


def linen_network():
    module = linen.Sequential([linen.Dense(HIDDEN), linen.tanh, linen.Dense(2)])
    apply = lambda params, x, t, label=None: module.apply(params, jnp.append(x, t))
    return lambda key: module.init(key, jnp.zeros(3)), apply


def equinox_network():
    build = lambda key: eqx.nn.MLP(3, 2, HIDDEN, 1, key=key)
    _, static = eqx.partition(build(jax.random.key(0)), eqx.is_inexact_array)
    init = lambda key: eqx.filter(build(key), eqx.is_inexact_array)
    return init, lambda params, x, t, label=None: eqx.combine(params, static)(jnp.append(x, t))


def nnx_network():
    init, apply = nn.functional(lambda rngs: nn.MLP(3, (HIDDEN,), 2, rngs=rngs))
    return init, lambda params, x, t, label=None: apply(params, jnp.append(x, t))


@pytest.mark.parametrize(
    ("recipe", "network"),
    [
        (score, linen_network),
        pytest.param(diffusion, equinox_network, marks=pytest.mark.slow),
        pytest.param(flow_matching, linen_network, marks=pytest.mark.slow),
        pytest.param(diffusion, nnx_network, marks=pytest.mark.slow),
    ],
)
def test_a_recipe_trains_and_measures_a_network_of_any_framework(recipe, network, tmp_path):
    name = recipe.__name__.split(".")[-1]
    options = {"steps": 300, "batch_size": 64, "sampling_steps": 3, "seeds": 2, "out": tmp_path / "run"}
    config, data = replace(recipe.PRESETS["ring"][1], **options), load("ring").with_test(50)
    model = recipe.model(config, data.spec, network=network())
    run = open_run(name, config, data)
    trained = run.train(model, data)
    losses = [record["loss"] for record in run.folder.read_log()]
    assert all(last < first for first, last in zip(losses[0], losses[-1], strict=True))
    measured = report.measure(replace(model, log_probs={}), trained, data, run.keys.measure, num_samples=30)
    assert jnp.isfinite(measured.samples).all()
