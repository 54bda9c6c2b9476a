"""The network of a configuration at scales of guidance: what it says, and how many calls that takes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data import Spec
from genjax.recipes.denoiser import denoiser
from genjax.recipes.diffusion import Config

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
