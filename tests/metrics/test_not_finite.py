"""What is not finite shows in every metric, under `jit` too: comparisons and safe roots must not hide it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import metrics

KEY = jax.random.key(0)
A, B = jax.random.normal(KEY, (2, 12, 3))

PAIRS = {
    "frechet_distance": metrics.frechet_distance,
    "frechet_from_moments": lambda a, b: metrics.frechet_from_moments(
        metrics.combine_moments(metrics.moments(a[:5]), metrics.moments(a[5:])), metrics.moments(b)
    ),
    "kernel_distance": metrics.kernel_distance,
    "precision_recall": metrics.precision_recall,
    "density_coverage": metrics.density_coverage,
    "wasserstein": metrics.wasserstein,
    "sliced_wasserstein": partial(metrics.sliced_wasserstein, KEY, num_projections=3),
    "data_copying": lambda a, b: metrics.data_copying(a, b, B),
    "data_copying's samples": lambda a, b: metrics.data_copying(A, a, b),
    "mode_coverage": lambda a, b: metrics.mode_coverage(a, b, std=1.0).high_quality,
    "diversity": lambda a, b: (metrics.diversity(a), metrics.diversity(b)),
    "standard_error": partial(
        metrics.standard_error,
        KEY,
        lambda a, b: jnp.mean(a) - jnp.mean(b),
        subset_size=2,
        num_subsets=2,
    ),
}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_nan_in_either_set_is_a_nan_under_jit(name):
    metric = jax.jit(PAIRS[name])
    clean = jax.tree.leaves(metric(A, B))
    assert np.isfinite(clean).all()
    for sets in ((A.at[7, 1].set(jnp.nan), B), (A, B.at[7, 1].set(jnp.nan))):
        found = jax.tree.leaves(metric(*sets))
        assert np.isnan(found).any()
        if name != "diversity":  # of each set alone
            assert np.isnan(found).all()


@pytest.mark.parametrize(
    "name", ["precision_recall", "density_coverage", "wasserstein", "sliced_wasserstein"]
)
def test_an_infinite_sample_is_not_a_finite_result(name):
    """The ball of a sample at infinity would hold every other."""
    metric = jax.jit(PAIRS[name])
    for sets in ((A.at[7, 1].set(jnp.inf), B), (A, B.at[7, 1].set(jnp.inf))):
        assert not np.isfinite(jax.tree.leaves(metric(*sets))).any()


def test_a_distance_to_or_from_a_nan_is_a_nan_and_never_zero():
    near = jax.jit(metrics.nearest)
    np.testing.assert_array_equal(np.isnan(near(A.at[7, 1].set(jnp.nan), B).distances), np.arange(12) == 7)
    assert np.isnan(near(A, B.at[7, 1].set(jnp.nan)).distances).all()


def test_what_a_classifier_says_is_no_exception():
    probs = jax.nn.softmax(A)
    assert np.isnan(jax.jit(metrics.inception_score)(probs.at[2, 1].set(jnp.nan)))
    weights = jnp.array([0.5, jnp.nan])
    assert np.isnan(jax.jit(metrics.mode_divergence)(jnp.array([0, 0]), weights))
