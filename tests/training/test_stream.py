"""Batches that the host reads: the same steps as written out, in pieces or in one, and ends that are said."""

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.training import fit_stream, make_step

pytestmark = pytest.mark.usefixtures("standard_promotion")

KEY = jax.random.key(0)
BATCHES = grain.MapDataset.source(np.arange(20.0, dtype=np.float32)).shuffle(seed=3).repeat().batch(4)
INIT, STEP = make_step(
    lambda p, key, x: jnp.mean((p - x) ** 2) + jax.random.normal(key) * p, optax.sgd(0.05, momentum=0.9)
)


def test_it_is_the_steps_written_out():
    state = INIT(jnp.zeros(()))
    for n in range(7):
        state, _ = jax.jit(STEP)(state, jax.random.fold_in(KEY, n), BATCHES[n])
    streamed, metrics = fit_stream(KEY, STEP, INIT(jnp.zeros(())), BATCHES, num_steps=7)
    np.testing.assert_array_equal(streamed.params, state.params)
    assert metrics["loss"].shape == (7,)


def test_a_run_in_pieces_is_the_run_in_one_because_the_state_knows_its_place_in_the_data():
    whole, losses = fit_stream(KEY, STEP, INIT(jnp.zeros(())), BATCHES, num_steps=9)
    part, first = fit_stream(KEY, STEP, INIT(jnp.zeros(())), BATCHES, num_steps=4)
    part, second = fit_stream(KEY, STEP, part, BATCHES, num_steps=5)
    np.testing.assert_array_equal(part.params, whole.params)
    np.testing.assert_array_equal(np.concatenate([first["loss"], second["loss"]]), losses["loss"])


def test_two_processes_read_all_rows_once():
    source = grain.MapDataset.source(np.arange(20))
    halves = [source[process::2].shuffle(seed=3).batch(2) for process in range(2)]
    rows = np.concatenate([half[n] for half in halves for n in range(5)])
    np.testing.assert_array_equal(np.sort(rows), np.arange(20))


def test_batches_that_end_are_named():
    short = grain.MapDataset.source(np.zeros(8, np.float32)).batch(4)
    with pytest.raises(
        ValueError, match="steps 0 to 3 need as many batches, and there are 2; repeat the data"
    ):
        fit_stream(KEY, STEP, INIT(jnp.zeros(())), short, num_steps=3)
