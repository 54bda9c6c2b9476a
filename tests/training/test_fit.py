"""`fit` is a loop: pieces equal the whole bit for bit, and it equals the loop written out."""

from collections import namedtuple
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.training import fit, make_step, with_ema

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


keeps_params = optax.GradientTransformation(
    lambda params: {"start": params}, lambda g, s, params=None: (g, s)
)


@pytest.mark.parametrize("num_steps", [1, 3])
@pytest.mark.parametrize(
    "init_and_step",
    [
        make_step(loss, optax.adam(1e-2)),
        with_ema(*make_step(loss, optax.adam(1e-2)), 0.9),
        make_step(loss, optax.chain(keeps_params, optax.sgd(1e-2))),
        make_step(loss, optax.lbfgs(1e-2, linesearch=None)),
    ],
    ids=["adam", "ema", "an optimizer that keeps the parameters", "lbfgs"],
)
def test_donation_leaves_the_parameters_that_init_was_given(init_and_step, num_steps):
    init, step = init_and_step
    params = {"w": jax.random.normal(jax.random.key(0), (3, 3))}
    before = np.array(params["w"])
    for begin in (init, jax.jit(init)):
        given = begin(params)
        fit(jax.random.key(0), step, given, DATA, num_steps=num_steps, batch_size=8, donate=True)
        assert given.params["w"].is_deleted()
        assert not params["w"].is_deleted()
        np.testing.assert_array_equal(params["w"], before)


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


# Optimizers that read the loss's value, its gradient, or the loss itself; and one that reads nothing.
READERS = {
    "lbfgs": optax.lbfgs(),
    "line search": optax.chain(
        optax.sgd(1.0), optax.scale_by_backtracking_linesearch(max_backtracking_steps=15)
    ),
    "polyak": optax.polyak_sgd(max_learning_rate=1.0),
    "plateau": optax.chain(optax.adam(0.1), optax.contrib.reduce_on_plateau(patience=50)),
    "adam": optax.adam(0.1),
}


def bowl(params, key, batch):
    """A quadratic whose minimum is the batch's value, with a key that shifts its value and not its gradient."""
    scale = jnp.array([1.0, 3.0, 0.3])
    return jnp.mean(scale[None] * (params[None] - batch) ** 2) + 0 * jax.random.normal(key), {
        "size": jnp.sum(params)
    }


@pytest.mark.parametrize("name", READERS)
def test_an_optimizer_may_read_the_loss(name):
    init, step = make_step(bowl, READERS[name])
    target = jnp.full((4, 3), 2.0)
    trained, metrics = fit(jax.random.key(0), step, init(jnp.zeros(3)), target, num_steps=200, batch_size=4)
    np.testing.assert_allclose(trained.params, 2, rtol=0.02)
    assert set(metrics) == {"loss", "gradient_norm", "size"}
    one, _ = step(init(jnp.zeros(3)), jax.random.key(0), target)
    assert one.step == 1


def test_what_an_optimizer_reads_is_the_loss_of_this_step():
    def update(updates, opt_state, params, *, value, grad, value_fn, **_):
        # With the same key and batch, the function gives the value and the gradient of the step, exactly.
        again, slope = jax.value_and_grad(value_fn)(params)
        return jax.tree.map(jnp.zeros_like, updates), {
            "value": (value, again),
            "grad": (grad, slope, updates),
        }

    none = {"value": (0.0, 0.0), "grad": (0.0, 0.0, 0.0)}
    reader = optax.GradientTransformationExtraArgs(lambda params: none, update)
    begun, step = make_step(loss, reader)
    params = {"w": jax.random.normal(jax.random.key(3), (3, 3))}
    for seed in range(3):
        key = jax.random.key(seed)
        seen = step(begun(params), key, DATA[seed : seed + 9])[0].opt_state
        expected, gradient = jax.value_and_grad(lambda p: loss(p, key, DATA[seed : seed + 9])[0])(params)  # noqa: B023
        for value in seen["value"]:
            np.testing.assert_array_equal(value, expected)
        for grad in seen["grad"]:
            assert_same_bits(grad, gradient)


@pytest.mark.parametrize(
    "optimizer",
    [optax.adam(1e-2), optax.chain(optax.clip_by_global_norm(0.1), optax.adamw(1e-2)), optax.sgd(0.1)],
)
def test_a_plain_optimizer_takes_the_steps_written_out(optimizer):
    init, step = make_step(loss, optimizer)

    @jax.jit
    def by_hand(params, opt_state, key, batch):
        (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(params, key, batch)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradient), **terms}
        return (optax.apply_updates(params, updates), opt_state), metrics

    begun = state()
    expected = begun.params, optimizer.init(begun.params)
    now, step = init(begun.params), jax.jit(step)
    for n in range(5):
        expected, metrics_by_hand = by_hand(*expected, jax.random.key(n), DATA[n : n + 8])
        now, metrics = step(now, jax.random.key(n), DATA[n : n + 8])
        assert_same_bits(((now.params, now.opt_state), metrics), (expected, metrics_by_hand))


class Terms(NamedTuple):
    reconstruction: jax.Array
    kl: jax.Array


def test_terms_may_be_a_named_tuple():
    terms = lambda p: Terms(jnp.sum(p**2), jnp.sum(p))
    results = [
        fit(jax.random.key(0), step, init(jnp.ones(2)), jnp.zeros((3, 1)), num_steps=4, batch_size=2)
        for init, step in (
            make_step(lambda p, key, batch: (sum(terms(p)), terms(p)), optax.sgd(0.1)),
            make_step(lambda p, key, batch: (sum(terms(p)), terms(p)._asdict()), optax.sgd(0.1)),
        )
    ]
    assert set(results[0][1]) == {"loss", "gradient_norm", "reconstruction", "kl"}
    assert_same_bits(*results)


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
def test_a_term_may_not_take_the_name_of_a_metric(name):
    for terms in (lambda p: {"kl": p, name: p}, lambda p: namedtuple("Terms", [name, "kl"])(p, p)):
        init, step = make_step(lambda p, key, batch: (p, terms(p)), optax.sgd(0.1))  # noqa: B023
        with pytest.raises(ValueError, match=f"must not be called loss or gradient_norm.* got {name} among"):
            step(init(jnp.zeros(())), jax.random.key(0), None)
