"""Two-sample evaluation: quality and diversity of samples `[n, d]`, in features of the user's choice.

These couple examples: they are not integrands, and none of them is a likelihood.
"""

from genjax.metrics.diversity import Diversity, ModeCoverage, diversity, mode_coverage
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.neighbours import PrecisionRecall, precision_recall

__all__ = [
    "Diversity",
    "ModeCoverage",
    "PrecisionRecall",
    "diversity",
    "frechet_distance",
    "mode_coverage",
    "precision_recall",
]
