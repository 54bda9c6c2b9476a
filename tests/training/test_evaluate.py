"""What the experiments measure after training."""

import time

import jax
import jax.numpy as jnp

from genjax.training import timed


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
