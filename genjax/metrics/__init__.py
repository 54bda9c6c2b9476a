"""Two-sample evaluation: quality and diversity of samples `[n, d]`, in features of the user's choice.

These couple examples: they are not integrands, and none of them is a likelihood. Each returns its estimate;
`standard_error` says how far it moves from one set of samples to the next, and `check` holds a metric of your own
against the one that it claims to be.
"""

from genjax.metrics.classes import inception_score, mode_divergence
from genjax.metrics.diagnostics import check
from genjax.metrics.diversity import Diversity, ModeCoverage, diversity, mode_coverage
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.kernel import kernel_distance
from genjax.metrics.moments import Moments, combine_moments, frechet_from_moments, moments
from genjax.metrics.neighbours import (
    DensityCoverage,
    Nearest,
    PrecisionRecall,
    data_copying,
    density_coverage,
    nearest,
    precision_recall,
)
from genjax.metrics.spread import standard_error
from genjax.metrics.wasserstein import sliced_wasserstein, wasserstein

__all__ = [
    "DensityCoverage",
    "Diversity",
    "ModeCoverage",
    "Moments",
    "Nearest",
    "PrecisionRecall",
    "check",
    "combine_moments",
    "data_copying",
    "density_coverage",
    "diversity",
    "frechet_distance",
    "frechet_from_moments",
    "inception_score",
    "kernel_distance",
    "mode_coverage",
    "mode_divergence",
    "moments",
    "nearest",
    "precision_recall",
    "sliced_wasserstein",
    "standard_error",
    "wasserstein",
]
