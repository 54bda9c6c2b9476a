"""Diagnostics flag what they name, on latents built to be active, idle or collapsed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.divergences import kl_standard_normal
from genjax.vae import active_units, collapsed_units, unit_kl

MEANS = jnp.stack(
    [jax.random.normal(jax.random.key(0), (500,)), jnp.full(500, 1.0), jnp.full(500, 1e-3)], axis=1
)
LOG_VARS = jnp.stack([jnp.full(500, -2.0), jnp.full(500, -1.0), jnp.zeros(500)], axis=1)


def test_active_units_follow_the_data():
    # The second unit spends nats but says nothing about x; the third is the prior.
    np.testing.assert_array_equal(active_units(MEANS), [True, False, False])
    np.testing.assert_array_equal(active_units(MEANS, threshold=2.0), [False] * 3)


def test_collapsed_units_are_the_prior_for_nearly_every_example():
    np.testing.assert_array_equal(collapsed_units(MEANS, LOG_VARS), [False, False, True])
    once = MEANS.at[0, 2].set(3.0)
    assert collapsed_units(once, LOG_VARS)[2]
    often = MEANS.at[:50, 2].set(3.0)
    assert not collapsed_units(often, LOG_VARS)[2]


@pytest.mark.parametrize(
    ("n", "exceed"), [(100, 1), (10, 1), (10, 3), (1000, 7), (997, 13), (20, 0), (100, 29)]
)
def test_a_unit_collapses_at_its_share_and_not_beyond(n, exceed):
    means = lambda k: 3.0 * (jnp.arange(n) < k).astype(jnp.float32)[:, None]
    assert collapsed_units(means(exceed), jnp.zeros((n, 1)), delta=exceed / n)[0]
    assert not collapsed_units(means(exceed + 1), jnp.zeros((n, 1)), delta=exceed / n)[0]


def test_unit_rates_sum_to_the_rate():
    rate = jnp.mean(jax.vmap(kl_standard_normal)(MEANS, LOG_VARS))
    np.testing.assert_allclose(unit_kl(MEANS, LOG_VARS).sum(), rate, rtol=1e-5)
