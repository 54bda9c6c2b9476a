"""Tables and small networks the autoregressive tests share."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from genjax import autoregressive
from genjax.nn import MADE, CausalTransformer, functional
from genjax.oracles import AutoregressiveTable


def random_table(seed=0, length=3, num_levels=3):
    """Random conditionals, in the precision of the test."""
    rng = np.random.default_rng(seed)
    return AutoregressiveTable(
        tuple(jnp.asarray(rng.normal(size=(num_levels,) * (i + 1))) for i in range(length))
    )


def all_sequences(length, num_levels):
    """Every sequence, `[num_levels ** length, length]`."""
    levels = np.unravel_index(np.arange(num_levels**length), (num_levels,) * length)
    return jnp.asarray(np.stack(levels, axis=1), int)


def total_probability(logits_fn, length, num_levels):
    """The sum of the probabilities of every sequence."""
    each = jax.jit(jax.vmap(partial(autoregressive.log_prob, logits_fn)))
    log_probs = each(all_sequences(length, num_levels))
    return np.exp(log_probs).sum()


def made(length, hidden, num_levels, *, seed=0, scale=1.0, **options):
    """A MADE with random parameters, larger than the initialisation's by `scale`."""
    init, apply = functional(
        lambda rngs: MADE(length, hidden, num_levels, activation=jnp.tanh, **options, rngs=rngs)
    )
    params = jax.jit(lambda key: jax.tree.map(lambda p: scale * p, init(key)))(jax.random.key(seed))
    return partial(jax.jit(apply), params)


@cache
def transformer(length=5, num_levels=3, *, num_classes=None, num_outputs=None):
    """Parameters, logits, cached step and empty cache of a small transformer with visible dependence."""
    build = lambda rngs: CausalTransformer(
        length,
        num_levels,
        width=8,
        num_layers=2,
        num_heads=2,
        num_classes=num_classes,
        num_outputs=num_outputs,
        rngs=rngs,
    )
    init, apply = functional(build)
    _, step = functional(build, method=CausalTransformer.step)
    _, empty_cache = functional(build, method=CausalTransformer.empty_cache)
    noise = lambda p, key: p + 0.2 * jax.random.normal(key, p.shape)

    @jax.jit
    def start():
        leaves, structure = jax.tree.flatten(init(KEY))
        keys = jax.random.split(jax.random.key(7), len(leaves))
        params = jax.tree.unflatten(structure, list(map(noise, leaves, keys)))
        return params, empty_cache(params)

    params, cache = start()
    return params, jax.jit(apply), jax.jit(step), cache


KEY = jax.random.key(0)
