"""`fit` is a loop: pieces equal the whole bit for bit, and it equals the loop written out."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.training import fit, make_step

pytestmark = pytest.mark.usefixtures("standard_promotion")

DATA = jnp.asarray(np.random.default_rng(0).normal(size=(50, 3)), jnp.float32)


def loss(params, key, batch):
    noise = jax.random.normal(key, batch.shape)
    prediction = jnp.tanh(batch @ params["w"]) + 0.1 * noise
    return jnp.mean((prediction - batch) ** 2), {"size": jnp.sum(params["w"] ** 2)}


INIT, STEP = make_step(loss, optax.adam(1e-2))
run = partial(fit, jax.random.key(0), STEP, data=DATA, batch_size=8)


def state(seed=0):
    return INIT({"w": jax.random.normal(jax.random.key(seed), (3, 3))})


def assert_same_bits(a, b):
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("split", [1, 7, 20, 39])
def test_a_run_in_pieces_is_the_run_in_one(split):
    whole, metrics = run(state(), num_steps=40)
    first, metrics_a = run(state(), num_steps=split)
    second, metrics_b = run(first, num_steps=40 - split)
    assert_same_bits(second, whole)
    assert_same_bits(jax.tree.map(lambda a, b: jnp.concatenate([a, b]), metrics_a, metrics_b), metrics)


def test_fit_is_the_loop_written_out():
    expected = state()
    for n in range(5):
        key_batch, key_step = jax.random.split(jax.random.fold_in(jax.random.key(0), n))
        rows = jax.random.randint(key_batch, (8,), 0, 50)
        expected, metrics = STEP(expected, key_step, DATA[rows])
    actual, stacked = run(state(), num_steps=5)
    for a, b in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5)
    assert set(stacked) == {"loss", "gradient_norm", "size"}
    np.testing.assert_allclose(stacked["loss"][-1], metrics["loss"], rtol=2e-5)


def test_seeds_side_by_side_are_the_seeds_alone():
    keys = jax.random.split(jax.random.key(1), 3)
    states = [state(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    together, _ = jax.vmap(lambda key, s: fit(key, STEP, s, DATA, num_steps=10, batch_size=8))(keys, stacked)
    alone, _ = fit(keys[2], STEP, states[2], DATA, num_steps=10, batch_size=8)
    np.testing.assert_allclose(together.params["w"][2], alone.params["w"], rtol=1e-4)


def test_donation_gives_the_same_result_and_takes_the_buffers():
    kept, given = state(), state()
    a, _ = run(kept, num_steps=3)
    b, _ = run(given, num_steps=3, donate=True)
    assert_same_bits(a, b)
    assert given.params["w"].is_deleted()
    assert not kept.params["w"].is_deleted()


def test_a_second_call_does_not_trace_again():
    chex.clear_trace_counter()
    _, step = make_step(chex.assert_max_traces(loss, n=1), optax.sgd(0.1))
    begun = make_step(loss, optax.sgd(0.1))[0]
    for seed in (0, 1):
        fresh = begun({"w": jax.random.normal(jax.random.key(seed), (3, 3))})
        fit(jax.random.key(seed), step, fresh, DATA, num_steps=6, batch_size=8)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1; got 0"),
        ({"batch_size": -3}, ValueError, "batch_size must be at least 1; got -3"),
        ({"batch_size": 8.0}, TypeError, "batch_size must be a Python int; got float"),
        ({"data": jnp.zeros((0, 3))}, ValueError, r"at least one row; got \(0, 3\)"),
        ({"data": {"x": DATA, "y": DATA[:3]}}, ValueError, r"\(50, 3\), \(3, 3\)"),
    ],
)
def test_bad_arguments_are_named(changed, error, message):
    with pytest.raises(error, match=message):
        run(state(), **({"num_steps": 5} | changed))
