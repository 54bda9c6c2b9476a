"""The replay buffer: distinct places, fresh starts at their rate, and a value that updates by copy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.energy import ReplayBuffer

STORED = ReplayBuffer(jnp.arange(20.0).reshape(10, 2))
FRESH = -1 - jnp.arange(8.0).reshape(4, 2)


def test_places_are_distinct_and_hold_what_is_drawn():
    for seed in range(20):
        places, x = STORED.draw(jax.random.key(seed), FRESH, restart=0.0)
        assert len(set(places.tolist())) == 4
        np.testing.assert_array_equal(x, STORED.chains[places])


def test_fresh_starts_come_whole_and_at_their_rate():
    _, x = STORED.draw(jax.random.key(0), FRESH, restart=1.0)
    np.testing.assert_array_equal(x, FRESH)
    draw = lambda key: STORED.draw(key, FRESH, restart=0.05)[1]
    restarted = np.asarray(jax.vmap(draw)(jax.random.split(jax.random.key(1), 5000)) < 0)
    np.testing.assert_array_equal(restarted[..., 0], restarted[..., 1])
    assert abs(restarted.mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 20_000)


def test_store_puts_the_states_in_their_places_and_leaves_the_others():
    places, x = STORED.draw(jax.random.key(0), FRESH)
    after = STORED.store(places, x + 100)
    np.testing.assert_array_equal(after.chains[places], x + 100)
    rest = np.setdiff1d(np.arange(10), places)
    np.testing.assert_array_equal(after.chains[rest], STORED.chains[rest])
    assert STORED.chains.max() == 19  # the old value stands


def test_the_buffer_is_carried_through_a_scan_and_passes_no_gradient():
    def step(buffer, key):
        places, x = buffer.draw(key, FRESH, restart=0.0)
        return buffer.store(places, x + 1), None

    keys = jax.random.split(jax.random.key(0), 5)
    after, _ = jax.jit(lambda buffer: jax.lax.scan(step, buffer, keys))(STORED)
    assert jnp.sum(after.chains - STORED.chains) == 5 * 4 * 2  # each of five steps moves four chains
    gradient = jax.grad(lambda x: jnp.sum(STORED.store(jnp.array([1, 2]), x).chains))(jnp.ones((2, 2)))
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.usefixtures("untyped")
def test_fresh_starts_have_the_shape_of_the_chains():
    for fresh in (jnp.zeros((4, 3)), jnp.zeros((11, 2)), jnp.zeros(())):
        with pytest.raises(ValueError, match=r"chains \(10, 2\)"):
            STORED.draw(jax.random.key(0), fresh)
    with pytest.raises(ValueError, match=r"restart must lie in \[0, 1\]; got 1.5"):
        STORED.draw(jax.random.key(0), FRESH, restart=1.5)
