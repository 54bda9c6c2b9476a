"""Sample metrics."""

import numpy as np

from genjax import metrics

from ..registry.row import KEY
from .case import Case

RNG = np.random.default_rng(4)
SETS = np.stack(
    [
        offset + scale * RNG.normal(size=(12, 2))
        for offset, scale in ((0, 1), (1e4, 1), (0, 1e-6), (0, 1e6), (-3, 0.1))
    ]
)
OTHER = np.stack(
    [
        offset + scale * RNG.normal(size=(9, 2))
        for offset, scale in ((0, 1), (1e4, 1), (0, 1e-6), (0, 1e6), (-3, 0.1))
    ]
)


def exact_diversity(x):
    n = len(x)
    centred = x - x.sum(0) / n
    pairs = [np.sum((a - b) ** 2) for a in x for b in x if a is not b]
    return np.sum(centred**2) / (n - 1), sum(p**0.5 for p in pairs) / (n * (n - 1))


CASES = {
    "genjax.metrics.diversity": [
        Case(metrics.diversity, (SETS,), exact_diversity),
        Case(metrics.diversity, (RNG.normal(size=(1, 1000, 3)),), gradient=False),
    ],
    "genjax.metrics.frechet_distance": [
        Case(metrics.frechet_distance, (SETS, OTHER)),
        Case(metrics.frechet_distance, (SETS[:, :3], OTHER[:, :2])),
        Case(
            metrics.frechet_distance,
            (RNG.normal(size=(1, 300, 8)), RNG.normal(size=(1, 200, 8))),
            gradient=False,
        ),
    ],
    "genjax.metrics.kernel_distance": [
        Case(metrics.kernel_distance, (SETS[:1], OTHER[:1])),
        Case(metrics.kernel_distance, (100 * SETS[:1], 100 * OTHER[:1] + 1)),
        Case(
            metrics.kernel_distance,
            (RNG.normal(size=(1, 300, 8)), RNG.normal(size=(1, 200, 8))),
            gradient=False,
            terms=lambda a, b: [2.0],
        ),
    ],
    "genjax.metrics.frechet_from_moments": [
        Case(
            lambda a, b: metrics.frechet_from_moments(
                metrics.combine_moments(metrics.moments(a[:5]), metrics.moments(a[5:])), metrics.moments(b)
            ),
            (SETS, OTHER),
        ),
    ],
    "genjax.metrics.wasserstein": [Case(metrics.wasserstein, (SETS[:, :9], OTHER))],
    "genjax.metrics.sliced_wasserstein": [
        Case(
            lambda key, a, b: metrics.sliced_wasserstein(key, a, b, num_projections=4),
            (KEY, SETS, OTHER),
        ),
    ],
    "genjax.metrics.nearest": [Case(metrics.nearest, (SETS, OTHER))],
    "genjax.metrics.density_coverage": [
        Case(lambda x, y: metrics.density_coverage(x, y, k=2), (SETS, OTHER), gradient=False),
    ],
    "genjax.metrics.data_copying": [
        Case(metrics.data_copying, (SETS, OTHER, 0.5 * OTHER), gradient=False),
    ],
    "genjax.metrics.mode_coverage": [
        Case(lambda x, c: metrics.mode_coverage(x, c, std=0.3), (SETS, OTHER), gradient=False),
    ],
    "genjax.metrics.precision_recall": [
        Case(lambda x, y: metrics.precision_recall(x, y, k=2), (SETS, OTHER), gradient=False),
    ],
}

# The scatter is summed from terms of this size, some of whose derivatives cancel.
TERMS = {
    "genjax.metrics.combine_moments": lambda *args: [1.0] * 3,
    "genjax.metrics.moments": lambda *args: [1.0] * 2,
}

EXEMPT = {
    "genjax.metrics.DensityCoverage": "a record",
    "genjax.metrics.Moments": "a record",
    "genjax.metrics.Nearest": "a record",
    "genjax.metrics.check": "a test of other functions, in NumPy's float64",
    "genjax.metrics.Diversity": "a record",
    "genjax.metrics.ModeCoverage": "a record",
    "genjax.metrics.PrecisionRecall": "a record",
}
