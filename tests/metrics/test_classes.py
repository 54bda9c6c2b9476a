"""What a classifier says of samples: the inception score and the divergence of modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from genjax import metrics

inception_score = jax.jit(metrics.inception_score)


def reference(p):
    return np.exp(special.rel_entr(p, p.mean(0)).sum(1).mean())


@pytest.mark.parametrize("k", [2, 10])
def test_it_is_the_number_of_classes_at_best_and_one_at_worst(k):
    sure = jnp.repeat(jnp.eye(k), 5, axis=0)
    np.testing.assert_allclose(inception_score(sure), k, rtol=1e-5)
    np.testing.assert_allclose(inception_score(jnp.full((20, k), 1 / k)), 1, rtol=1e-6)
    np.testing.assert_allclose(inception_score(jnp.tile(jnp.eye(k)[:1], (9, 1))), 1, rtol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_it_is_one_number_of_the_whole_set_in_any_order(seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.3] * 4, size=12)
    p[0] = [1, 0, 0, 0]
    for rows in (p, rng.permutation(p)):
        np.testing.assert_allclose(inception_score(jnp.float32(rows)), reference(p), rtol=1e-4)


def test_zero_probabilities_leave_the_gradient_finite():
    p = jnp.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])  # a class of which no row has any
    assert np.isfinite(jax.jit(jax.grad(inception_score))(p)).all()
    np.testing.assert_allclose(inception_score(p), reference(np.asarray(p)), rtol=1e-6)


def test_the_divergence_of_modes_is_that_of_their_shares():
    modes = jnp.array([0, 0, 1, 0])
    weights = jnp.array([0.25, 0.25, 0.5])
    np.testing.assert_allclose(
        metrics.mode_divergence(modes, weights), 0.75 * np.log(3) + 0.25 * np.log(1), rtol=1e-6
    )
    gradient = jax.grad(metrics.mode_divergence, 1)(modes, weights)
    np.testing.assert_allclose(gradient, [-3, -1, 0], rtol=1e-6)
    assert metrics.mode_divergence(jnp.array([0, 1, 2, 2]), weights) == 0
    assert metrics.mode_divergence(modes, jnp.array([0.0, 0.5, 0.5])) == jnp.inf


def test_samples_of_the_true_law_diverge_by_about_half_a_degree_of_freedom_per_sample():
    keys = jax.random.split(jax.random.key(0), 300)
    modes = jax.vmap(lambda key: jax.random.randint(key, (500,), 0, 8))(keys)
    values = jax.jit(jax.vmap(lambda m: metrics.mode_divergence(m, jnp.full(8, 1 / 8))))(modes)
    # 2 n KL is χ² of 7 degrees: mean 7/(2n), standard deviation √14/(2n).
    np.testing.assert_allclose(values.mean(), 7 / 1000, atol=4 * np.sqrt(14) / 1000 / np.sqrt(300))
