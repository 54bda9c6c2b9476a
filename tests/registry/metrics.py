"""Sample metrics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from genjax import metrics

from .row import KEY, Row, normal


def spd(moments):
    """Count, mean and scatter: the root itself has a free sign."""
    return moments.num, moments.mean, moments.factor.T @ moments.factor


RNG_LABELS = np.array([0, 2, 1, 2, 2])


def softmax(logits):
    return jax.nn.softmax(logits, axis=-1)


def metric_of_means(a, b):
    return jnp.sum((jnp.mean(a, axis=0) - jnp.mean(b, axis=0)) ** 2)


ROWS = {
    "genjax.metrics.combine_moments": Row(
        lambda a, b: spd(metrics.combine_moments(metrics.moments(a), metrics.moments(b))),
        (normal(4, 2), normal(3, 2)),
        bfloat16=False,
    ),
    "genjax.metrics.data_copying": Row(
        metrics.data_copying, (normal(6, 2), normal(5, 2), normal(4, 2)), gradient="none"
    ),
    "genjax.metrics.density_coverage": Row(
        lambda real, fake: metrics.density_coverage(real, fake, k=2),
        (normal(8, 2), normal(6, 2)),
        gradient="none",
    ),
    "genjax.metrics.frechet_from_moments": Row(
        lambda a, b: metrics.frechet_from_moments(metrics.moments(a), metrics.moments(b)),
        (normal(6, 2), normal(7, 2) + 1),
        bfloat16=False,
    ),
    "genjax.metrics.inception_score": Row(
        lambda logits: metrics.inception_score(softmax(logits)), (4 * normal(6, 3),)
    ),
    "genjax.metrics.kernel_distance": Row(
        metrics.kernel_distance, (normal(8, 2), normal(6, 2) + 1), bfloat16=False
    ),
    "genjax.metrics.mode_divergence": Row(
        lambda logits: metrics.mode_divergence(jnp.asarray(RNG_LABELS), softmax(logits)), (normal(3),)
    ),
    "genjax.metrics.moments": Row(lambda a: spd(metrics.moments(a)), (normal(4, 2),), bfloat16=False),
    "genjax.metrics.nearest": Row(lambda a, b: metrics.nearest(a, b).distances, (normal(5, 2), normal(6, 2))),
    "genjax.metrics.sliced_wasserstein": Row(
        lambda key, a, b: metrics.sliced_wasserstein(key, a, b, num_projections=8),
        (KEY, normal(5, 2), normal(7, 2) + 1),
        bfloat16=False,
    ),
    "genjax.metrics.standard_error": Row(
        lambda key, a, b: metrics.standard_error(key, metric_of_means, a, b, subset_size=3, num_subsets=4),
        (KEY, normal(9, 2), normal(8, 2)),
    ),
    "genjax.metrics.wasserstein": Row(metrics.wasserstein, (normal(5, 2), normal(5, 2) + 1), bfloat16=False),
    "genjax.metrics.diversity": Row(metrics.diversity, (normal(6, 2),)),
    "genjax.metrics.frechet_distance": Row(
        metrics.frechet_distance, (normal(8, 2), normal(9, 2) + 1), bfloat16=False
    ),
    "genjax.metrics.mode_coverage": Row(
        lambda samples, centers: metrics.mode_coverage(samples, centers, std=0.2),
        (normal(8, 2), normal(3, 2)),
        gradient="none",
    ),
    "genjax.metrics.precision_recall": Row(
        lambda real, fake: metrics.precision_recall(real, fake, k=2),
        (normal(8, 2), normal(6, 2)),
        gradient="none",
    ),
}

RECORDS = {
    "genjax.metrics.DensityCoverage": "tests/metrics/test_neighbours.py",
    "genjax.metrics.Moments": "tests/metrics/test_moments.py",
    "genjax.metrics.Nearest": "tests/metrics/test_neighbours.py",
    "genjax.metrics.check": "tests/metrics/test_check.py",
    "genjax.metrics.Diversity": "tests/test_metrics.py",
    "genjax.metrics.ModeCoverage": "tests/test_metrics.py",
    "genjax.metrics.PrecisionRecall": "tests/test_metrics.py",
}

SETS = (jnp.zeros((4, 2)), jnp.zeros((4, 3)))
STRUCTURE = [
    (metrics.kernel_distance, (jnp.zeros((1, 2)),) * 2, ValueError, r"n at least 2; got a \(1, 2\)"),
    (metrics.density_coverage, (jnp.zeros((5, 2)),) * 2, ValueError, r"n at least 6; got real \(5, 2\)"),
    (metrics.nearest, SETS, ValueError, r"last axis; got a \(4, 2\), b \(4, 3\)"),
    (
        metrics.wasserstein,
        (jnp.zeros((4, 2)), jnp.zeros((3, 2))),
        ValueError,
        r"equally large; got a \(4, 2\)",
    ),
    (partial(metrics.sliced_wasserstein, KEY), SETS, ValueError, r"last axis; got a \(4, 2\), b \(4, 3\)"),
    (metrics.inception_score, (jnp.zeros(3),), ValueError, r"probs must be \[n, K\].*\(3,\)"),
    (metrics.mode_divergence, (jnp.zeros(3), jnp.ones(1)), TypeError, "modes must be integer"),
    (
        partial(metrics.standard_error, KEY, metric_of_means, subset_size=5, num_subsets=3),
        (jnp.zeros((4, 2)),) * 2,
        ValueError,
        "subset_size 5",
    ),
    (
        metrics.combine_moments,
        (metrics.moments(jnp.ones((2, 1))), metrics.moments(jnp.ones((2, 2)))),
        ValueError,
        r"mean_a \(1,\), mean_b \(2,\)",
    ),
    (metrics.diversity, (jnp.zeros((1, 2)),), ValueError, r"n at least 2; got samples \(1, 2\)"),
    (metrics.precision_recall, (jnp.zeros((3, 2)),) * 2, ValueError, r"n at least 4; got real \(3, 2\)"),
    (metrics.frechet_distance, (jnp.zeros((1, 2)),) * 2, ValueError, r"n at least 2; got a \(1, 2\)"),
    (
        partial(metrics.mode_coverage, std=1.0),
        (jnp.zeros((4, 2)), jnp.zeros((4, 3))),
        ValueError,
        r"samples \(4, 2\), centers \(4, 3\)",
    ),
]

VALUES = [
    (metrics.kernel_distance, (jnp.full((3, 2), jnp.nan), jnp.zeros((3, 2))), "a must not be NaN"),
    (metrics.inception_score, (jnp.array([[1.5, -0.5]]),), "probs must not be negative"),
    (metrics.inception_score, (jnp.array([[0.5, 0.1]]),), "the sum of "),
    (partial(metrics.mode_divergence, jnp.array([0, 2])), (jnp.ones(2) / 2,), r"modes must lie in 0\.\.1"),
    (
        partial(metrics.mode_coverage, centers=jnp.zeros((1, 2)), std=-1.0),
        (jnp.zeros((3, 2)),),
        "std must be positive",
    ),
    (metrics.diversity, (jnp.full((3, 2), jnp.nan),), "samples must not be NaN"),
]
