"""What the experiments measure after training."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data import evenly_spaced
from genjax.training import map_seeds, timed
from genjax.training.evaluate import shown


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


@pytest.mark.parametrize("n", [1, 1000, 2300])
def test_work_in_parts_gives_what_it_gives_at_once(n, capfd):
    """Also where the parts do not divide the examples, and for results of several leaves."""
    data = (jnp.arange(n, dtype=float), jnp.arange(n))
    fn = lambda params, key, pair: (params * pair[0] + jax.random.normal(key), pair[1])
    arguments = (fn, jnp.array([1.0, 2.0]), jax.random.split(jax.random.key(0), 2), data)
    for parts, whole in zip(map_seeds(*arguments, doing="counting"), map_seeds(*arguments), strict=True):
        np.testing.assert_array_equal(parts, whole)
    assert parts.shape == (2, n)


def test_long_work_says_how_far_it_is(capfd, monkeypatch):
    """Where no terminal shows a bar: a line once ten seconds have passed."""
    clock = iter(range(0, 100, 6))
    monkeypatch.setattr("genjax.training.evaluate.time.monotonic", lambda: next(clock))
    assert list(shown(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert capfd.readouterr().out.splitlines()[0] == "counting: 1 of 5 parts"
