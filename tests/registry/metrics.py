"""Sample metrics."""

from functools import partial

import jax.numpy as jnp

from genjax import metrics

from .row import Row, normal

ROWS = {
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
    "genjax.metrics.Diversity": "tests/test_metrics.py",
    "genjax.metrics.ModeCoverage": "tests/test_metrics.py",
    "genjax.metrics.PrecisionRecall": "tests/test_metrics.py",
}

STRUCTURE = [
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
    (
        partial(metrics.mode_coverage, centers=jnp.zeros((1, 2)), std=-1.0),
        (jnp.zeros((3, 2)),),
        "std must be positive",
    ),
    (metrics.diversity, (jnp.full((3, 2), jnp.nan),), "samples must not be NaN"),
]
