"""bfloat16 in networks alone: parameters, losses and the optimizer stay float32, and what is trained is as good."""

from dataclasses import replace

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import nn
from genjax.data import load
from genjax.recipes import vae
from genjax.training import open_run

pytestmark = pytest.mark.usefixtures("standard_promotion")

NETWORKS = {
    "MLP": lambda rngs: nn.MLP(16, (8,), 16, rngs=rngs),
    "TimedMLP": lambda rngs: nn.TimedMLP(16, width=8, num_layers=1, rngs=rngs),
    "DiT": lambda rngs: nn.DiT((4, 4), patch_size=2, width=8, num_layers=1, num_heads=2, rngs=rngs),
    "UNet": lambda rngs: nn.UNet((4, 4), channels=(8,), num_blocks=1, num_heads=2, rngs=rngs),
}


def factors(jaxpr):
    """Dtypes of the factors of all products in a program."""
    found = set()
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            found |= {str(v.aval.dtype) for v in equation.invars}
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            found |= factors(inner)
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "MLP")) for name in NETWORKS]
)
def test_all_products_of_a_network_are_of_bfloat16_and_its_result_of_float32(name):
    init, apply = nn.functional(NETWORKS[name])
    params = jax.tree.map(lambda leaf: leaf + 0.1, init(jax.random.key(0)))
    x = jax.random.normal(jax.random.key(1), (16,) if "MLP" in name else (4, 4))
    call = lambda params: apply(params, x) if name == "MLP" else apply(params, x, jnp.array(0.3))
    full = call(params)
    with jax.default_matmul_precision("bfloat16"):
        program = jax.make_jaxpr(call)(params)
        rounded, gradient = call(params), jax.grad(lambda p: jnp.sum(call(p)))(params)
    assert factors(program.jaxpr) - {"bfloat16"} <= ({"float32"} if name in ("DiT", "UNet") else set())
    assert rounded.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
    error = np.abs(np.asarray(rounded - full)).max() / np.abs(np.asarray(full)).max()
    assert 0 < error < 0.03


def test_times_are_told_apart_that_bfloat16_would_round_to_one():
    init, apply = nn.functional(lambda rngs: nn.Condition(8, num_classes=0, rngs=rngs))
    params = init(jax.random.key(0))
    with jax.default_matmul_precision("bfloat16"):
        one, other = (apply(params, jnp.array(t), dtype=jnp.bfloat16) for t in (0.5, 0.501))
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_a_run_in_bfloat16_learns_as_one_in_float32(tmp_path):
    losses = {}
    for precision in ("float32", "bfloat16"):
        options = {"steps": 200, "hidden": (32,), "seeds": 1, "precision": precision}
        config = replace(vae.PRESETS["digits"][1], out=tmp_path / precision, **options)
        data = load("digits")
        run = open_run("vae", config, data)
        trained = run.train(vae.model(config, data.spec), data)
        assert {leaf.dtype for leaf in jax.tree.leaves(trained.params)} == {jnp.dtype("float32")}
        losses[precision] = run.folder.read_log()[-1]["validation"][0]
    assert losses["float32"] != losses["bfloat16"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.02)


@pytest.mark.slow
def test_blocks_that_are_computed_again_give_the_same_and_keep_less():
    sizes = {"patch_size": 2, "width": 32, "num_layers": 6, "num_heads": 2}
    x, needed, gradients = jax.random.normal(jax.random.key(1), (16, 16, 16)), {}, {}
    for remat in (False, True):
        init, apply = nn.functional(lambda rngs, r=remat: nn.DiT((16, 16), remat=r, rngs=rngs, **sizes))
        params = jax.tree.map(lambda leaf: leaf + 0.01, init(jax.random.key(0)))
        loss = lambda p, x, apply=apply: jnp.sum(jax.vmap(lambda x: apply(p, x, jnp.array(0.5)))(x) ** 2)
        program = jax.jit(jax.grad(loss)).lower(params, x).compile()
        needed[remat] = program.memory_analysis().temp_size_in_bytes
        gradients[remat] = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(program(params, x))])
    np.testing.assert_allclose(gradients[True], gradients[False], atol=1e-5 * np.abs(gradients[False]).max())
    assert needed[True] < 0.5 * needed[False]
