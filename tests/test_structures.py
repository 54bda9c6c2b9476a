"""A function with its parameters is a pytree that trains, batches, compiles once and can be saved."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from genjax import Bound


def affine(params, x):
    return params["weights"] @ x + params["bias"]


def bound(seed=0):
    weights, bias = np.random.default_rng(seed).normal(size=(2, 3)), np.zeros(2)
    return Bound(
        {"weights": jnp.asarray(weights, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}, affine
    )


def test_it_is_the_function_at_its_parameters_and_its_gradient_is_theirs():
    x = jnp.arange(3.0)
    loss = lambda f: jnp.sum(f(x) ** 2)
    np.testing.assert_array_equal(bound()(x), affine(bound().params, x))
    expected = jax.grad(lambda params: jnp.sum(affine(params, x) ** 2))(bound().params)
    chex.assert_trees_all_close(jax.grad(loss)(bound()).params, expected)


def test_one_function_object_compiles_once_and_a_stack_of_parameters_maps():
    chex.clear_trace_counter()
    call = jax.jit(chex.assert_max_traces(lambda f, x: f(x), n=1))
    x = jnp.arange(3.0)
    each = [call(bound(seed), x) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(bound, range(3)))
    np.testing.assert_allclose(jax.vmap(lambda f: f(x))(stacked), each, rtol=1e-6)


def test_orbax_saves_and_restores_it(tmp_path):
    saved = bound(1)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "bound", saved)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "bound", jax.tree.map(jnp.zeros_like, saved))
    chex.assert_trees_all_equal(restored, saved)
    assert restored.apply is affine
