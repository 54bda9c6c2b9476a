"""The outer loop: selection on validation alone, a way to stop, no training on NaN."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.faults import NonFiniteError
from genjax.training import make_step, start, train, with_ema
from genjax.training.driver import Progress

pytestmark = pytest.mark.usefixtures("standard_promotion")

KEYS = jax.random.split(jax.random.key(0), 2)
DATA = jnp.ones((4, 1))
# The parameter walks up by 0.1 a step, whatever the data: every number below is known.
INIT, STEP = make_step(lambda params, key, batch: -jnp.sum(params), optax.sgd(0.1))
run = partial(train, KEYS, STEP, data=DATA, validation=DATA, batch_size=2, log_every=5, validate_every=5)


def begin(offsets=(0.0, 1.0)):
    return start(jax.vmap(INIT)(jnp.array(offsets)))


def test_every_seed_keeps_its_own_best_parameters():
    progress = run(begin(), validate=lambda params, _: (params - 1.5) ** 2, num_steps=40)
    np.testing.assert_allclose(progress.selected.params, [1.5, 1.5], rtol=1e-5)
    np.testing.assert_array_equal(progress.selected.step, [15, 5])
    np.testing.assert_allclose(progress.state.params, [4.0, 5.0], rtol=1e-5)


def test_patience_stops_when_no_seed_improves():
    progress = run(begin(), validate=lambda params, _: (params - 1.5) ** 2, num_steps=1000, patience=3)
    np.testing.assert_array_equal(
        progress.state.step, 30
    )  # the slower seed was best at 15, and waited thrice
    np.testing.assert_array_equal(progress.selected.step, [15, 5])


@pytest.mark.parametrize("cut", [3, 5, 17])
def test_going_on_from_any_step_is_the_uninterrupted_run(cut):
    loss = lambda params, key, batch: jnp.sum((params - jax.random.normal(key)) ** 2)
    init, step = make_step(loss, optax.adam(0.1))
    go = partial(train, KEYS, step, data=DATA, validation=DATA, batch_size=2, log_every=4, validate_every=10)
    validate = lambda params, _: (params - 0.3) ** 2
    fresh = lambda: start(jax.vmap(init)(jnp.zeros(2)))
    whole = go(fresh(), validate=validate, num_steps=30)
    # Stopped between chunks, as an interrupt does.
    stopped = go(fresh(), validate=validate, num_steps=30, after_chunk=lambda p, r: r["step"] >= cut)
    assert stopped.state.step[0] < 30
    resumed = go(Progress(*stopped), validate=validate, num_steps=30)
    for a, b in zip(*map(jax.tree.leaves, (resumed, whole)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_bad_step_is_named_and_nothing_after_it_is_reported():
    init, step = make_step(
        lambda params, key, batch: jnp.sum(jnp.where(params["n"] < -6.5, jnp.nan, params["n"])),
        optax.sgd(1.0),
    )
    records = []

    def after(progress, record):
        records.append(record)
        return False

    begun = start(jax.vmap(init)({"n": jnp.array([4.0, 0.0])}))
    with pytest.raises(NonFiniteError, match="loss is nan at step 8 of seed number 1"):
        train(
            KEYS,
            step,
            begun,
            DATA,
            lambda p, _: p["n"],
            DATA,
            num_steps=50,
            batch_size=1,
            log_every=5,
            validate_every=5,
            after_chunk=after,
        )
    assert [r["step"] for r in records] == [5]


def test_records_hold_means_of_every_seed():
    records = []
    run(
        begin(),
        validate=lambda params, _: params,
        num_steps=10,
        after_chunk=lambda p, r: records.append(r) or False,
    )
    assert [r["step"] for r in records] == [5, 10]
    np.testing.assert_allclose(records[0]["loss"], [-0.2, -1.2], rtol=1e-5)
    np.testing.assert_allclose(records[1]["validation"], [1.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(records[1]["validation_best"], [0.5, 1.5], rtol=1e-5)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_validation_that_is_not_finite_stops_the_run_and_selects_nothing(bad):
    validate = lambda params, _: jnp.where(params > 1.75, bad, params)
    with pytest.raises(NonFiniteError, match=f"validation is {bad} at step 10 of seed number 1"):
        run(begin(), validate=validate, num_steps=40)


def test_single_steps_are_the_scan():
    whole = run(begin(), validate=lambda params, _: params, num_steps=12)
    single = run(begin(), validate=lambda params, _: params, num_steps=12, steps_per_call=1)
    np.testing.assert_allclose(single.state.params, whole.state.params, rtol=1e-6)
    np.testing.assert_allclose(single.selected.value, whole.selected.value, rtol=1e-6)


def test_a_step_that_cannot_fit_is_refused_before_it_runs():
    loss = lambda params, key, batch: jnp.sum(
        params * jnp.cumsum(jax.random.normal(key, (2_000_000, 10_000)), 0)[-1, 0]
    )
    init, step = make_step(loss, optax.sgd(0.1))
    with pytest.raises(MemoryError, match=r"needs about \d+\.\d GiB and \d+\.\d GiB are free"):
        train(
            KEYS,
            step,
            start(jax.vmap(init)(jnp.zeros(2))),
            DATA,
            lambda params, _: jnp.sum(params),
            DATA,
            num_steps=1,
            batch_size=1,
            validate_every=1,
            log_every=1,
        )


def test_ema_is_the_average_written_out():
    init, step = with_ema(*make_step(lambda params, key, batch: -jnp.sum(params), optax.sgd(1.0)), 0.8)
    state, ema = init(jnp.zeros(())), 0.0
    for n in range(1, 6):
        state, _ = step(state, jax.random.key(n), None)
        ema = 0.8 * ema + 0.2 * n
        np.testing.assert_allclose(state.params, ema, rtol=1e-6)
        np.testing.assert_allclose(state.inner.params, n, rtol=1e-6)
    assert state.step == 5
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\); got 1.0"):
        with_ema(init, step, 1.0)
