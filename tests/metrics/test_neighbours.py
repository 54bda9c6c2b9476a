"""Metrics by neighbours against brute force in float64, their invariances, a collapse, and their memory."""

import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist

from genjax import metrics
from genjax.data import GaussianRing


def sets(seed, n=40, m=30, d=3):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, d)), 1.5 * rng.normal(size=(m, d)) + 0.5
    return real.astype(np.float32), fake.astype(np.float32)


def radii(x, k):
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, k - 1]


def brute_precision_recall(real, fake, k):
    between = cdist(real, fake)
    precision = (between <= radii(real, k)[:, None]).any(0).mean()
    return precision, (between <= radii(fake, k)[None]).any(1).mean()


def brute_density_coverage(real, fake, k):
    inside = cdist(real, fake) <= radii(real, k)[:, None]
    return inside.sum() / (k * len(fake)), inside.any(1).mean()


PRECISION_RECALL = jax.jit(metrics.precision_recall, static_argnames="k")
DENSITY_COVERAGE = jax.jit(metrics.density_coverage, static_argnames="k")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 3, 5])
def test_both_pairs_of_numbers_are_those_of_brute_force(seed, k):
    real, fake = sets(seed)
    doubles = real.astype(float), fake.astype(float)
    np.testing.assert_allclose(
        PRECISION_RECALL(real, fake, k=k), brute_precision_recall(*doubles, k), rtol=1e-6
    )
    np.testing.assert_allclose(
        DENSITY_COVERAGE(real, fake, k=k), brute_density_coverage(*doubles, k), rtol=1e-6
    )


def test_balls_are_closed_and_a_sample_is_not_its_own_neighbour():
    real = jnp.array([[0.0], [1.0], [3.0]])  # radii 1, 1, 2
    on_the_edge, outside = jnp.array([[-1.0]]), jnp.array([[-1.001]])
    assert metrics.precision_recall(real, jnp.tile(on_the_edge, (2, 1)), k=1).precision == 1
    assert metrics.precision_recall(real, jnp.tile(outside, (2, 1)), k=1).precision == 0
    assert metrics.density_coverage(real, on_the_edge, k=1).density == 1
    twins = jnp.array([[0.0], [0.0], [5.0]])  # the radius of a twin is 0, as its neighbour is the other
    np.testing.assert_allclose(metrics.density_coverage(twins, jnp.array([[0.5]]), k=1).coverage, 1 / 3)


def test_any_real_ball_counts_and_not_the_nearest_sample_s_alone():
    """A fake sample whose nearest real neighbour has a small ball, inside the large one of a farther sample."""
    real = jnp.array([[0.0], [0.1], [4.0], [10.0]])  # radii .1, .1, 3.9, 6
    fake = jnp.array([[1.0], [1.2]])  # nearest to .1, within 3.9 of 4
    assert metrics.precision_recall(real, fake, k=1).precision == 1


def test_density_has_no_upper_bound_and_all_is_one_in_the_mean_for_one_law():
    real = jnp.concatenate([jnp.zeros((5, 1)), jnp.ones((1, 1))])
    np.testing.assert_allclose(
        metrics.density_coverage(real, jnp.zeros((3, 1)), k=5).density, 6 / 5, rtol=1e-6
    )
    real, fake = jax.random.normal(jax.random.key(0), (2, 1500, 2))
    density, coverage = DENSITY_COVERAGE(real, fake, k=5)
    np.testing.assert_allclose(density, 1, atol=0.1)
    np.testing.assert_allclose(coverage, 1 - 2.0**-5, atol=0.02)  # (Naeem et al., 2020, equation 9)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(seed):
    real, fake = sets(seed % 7)
    rng = np.random.default_rng(seed)
    for metric in (PRECISION_RECALL, DENSITY_COVERAGE):
        a, b = metric(real, fake, k=3), metric(rng.permutation(real), rng.permutation(fake), k=3)
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_collapsed_set_is_flagged_while_its_quality_is_high():
    key_real, key_fake = jax.random.split(jax.random.key(0))
    centers = jnp.asarray(GaussianRing().centers, jnp.float32)
    mode = jax.random.randint(key_real, (800,), 0, 8)
    real = centers[mode] + 0.1 * jax.random.normal(key_real, (800, 2))
    healthy = centers[mode] + 0.1 * jax.random.normal(key_fake, (800, 2))
    collapsed = centers[:1] + 0.05 * jax.random.normal(key_fake, (800, 2))
    of_healthy, of_collapsed = (PRECISION_RECALL(real, fake, k=3) for fake in (healthy, collapsed))
    assert of_collapsed.precision > 0.95
    assert of_collapsed.recall < 0.15 < 0.9 < of_healthy.recall
    assert metrics.mode_coverage(collapsed, centers, std=0.1).num_covered == 1
    assert metrics.mode_coverage(collapsed, centers, std=0.1).high_quality > 0.95
    spread = metrics.diversity(collapsed).pairwise_distance
    assert spread < 0.1 * metrics.diversity(real).pairwise_distance
    weights = jnp.full(8, 1 / 8)
    for fake, at_least, at_most in ((healthy, 0.0, 0.02), (collapsed, 2.0, 2.1)):
        divergence = metrics.mode_divergence(metrics.nearest(fake, centers).indices, weights)
        assert at_least <= divergence <= at_most
    assert DENSITY_COVERAGE(real, collapsed, k=5).coverage < 0.15


def test_the_nearest_row_is_that_of_brute_force_and_its_distance_has_a_gradient():
    a, b = map(jnp.asarray, sets(1))
    index, distance = metrics.nearest(a, b)
    between = cdist(a, b)
    np.testing.assert_array_equal(index, between.argmin(1))
    np.testing.assert_allclose(distance, between.min(1), rtol=1e-6)
    gradient = jax.grad(lambda a: metrics.nearest(a, b).distances.sum())(a)
    np.testing.assert_allclose(gradient, (a - b[index]) / between.min(1)[:, None], rtol=1e-5)
    assert np.isfinite(jax.grad(lambda a: metrics.nearest(a, a).distances.sum())(a)).all()


def test_copies_of_the_training_set_are_found_and_fresh_samples_are_not():
    train, test, fresh = jax.random.normal(jax.random.key(3), (3, 400, 4))
    copying = jax.jit(metrics.data_copying)
    assert copying(train, test, train) == 1
    assert copying(train, test, train + 1e-3) == 1
    np.testing.assert_allclose(copying(train, test, fresh), 0.5, atol=3 / np.sqrt(12 * 200))
    assert copying(train, test, fresh + 10) == 0
    distance = lambda x: cdist(x, train).min(1)
    statistic = stats.mannwhitneyu(distance(test), distance(fresh), method="asymptotic").statistic
    np.testing.assert_allclose(copying(train, test, fresh), statistic / 400**2, rtol=1e-6)
    # Ties count one half: test data that are the samples.
    np.testing.assert_allclose(copying(train, test, test), 0.5, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["precision_recall", "density_coverage", "diversity"])
def test_memory_does_not_grow_with_the_number_of_pairs(metric):
    """20,000 examples of 64 features: all pairs would take 1.6 GB in float32."""
    code = f"""
        import resource, jax, jax.numpy as jnp
        from genjax import metrics
        real, fake = jax.random.normal(jax.random.key(0), (2, 20_000, 64))
        metric = metrics.{metric}
        sets = (real,) if metric is metrics.diversity else (real, fake)
        jax.jit(metric)(*(x[:64] for x in sets))
        jax.block_until_ready(sets)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        jax.block_until_ready(jax.jit(metric)(*sets))
        print(peak() - before)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert float(done.stdout) < 512, done.stderr
