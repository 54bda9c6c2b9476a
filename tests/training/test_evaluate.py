"""What the experiments measure after training."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import evenly_spaced
from genjax.training import timed


def test_chosen_examples_have_the_classes_of_the_data_sorted_or_in_turn():
    m, n = 60_000, 600
    for k in (2, 3, 7, 10, 50, 100, 200):
        for labels in (np.arange(m) % k, np.arange(m) * k // m, np.arange(m) // 10 % k):
            counts = np.bincount(evenly_spaced(labels, n), minlength=k)
            spread = np.sqrt(n / k)  # of independent draws; stretches have less
            assert abs(counts - n / k).max() < 4.5 * spread, (k, counts)
        in_order = np.bincount(evenly_spaced(np.arange(m) * k // m, n), minlength=k)
        assert (
            abs(in_order - n / k).max() < 2
        )  # a stretch that holds a border, at either end, may give to either


def test_chosen_examples_are_distinct_in_order_and_the_same_each_time():
    for m, n in ((1, 1), (10, 3), (10, 9), (10, 10), (5, 100), (1000, 300)):
        chosen = evenly_spaced(np.arange(m), n)
        assert len(chosen) == min(m, n)
        assert (np.diff(chosen) > 0).all()
        np.testing.assert_array_equal(chosen, evenly_spaced(np.arange(m), n))


def test_timed_leaves_out_work_dispatched_before():
    slow = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda _, x: jnp.tanh(x @ x), x))
    x = jnp.eye(400)
    jax.block_until_ready(slow(x))
    started = time.perf_counter()
    jax.block_until_ready(slow(x))
    seconds_slow = time.perf_counter() - started

    pending = slow(x)
    value, seconds = timed(lambda x: x + 1, jnp.zeros(()))
    assert value == 1
    assert seconds < seconds_slow / 4, (seconds, seconds_slow)
    assert pending.is_ready()
