"""Two-sample evaluation: quality and diversity of samples `[n, d]`, in features of the user's choice.

These couple examples: they are not integrands, and none of them is a likelihood.
"""

from genjax.metrics.diversity import Diversity, ModeCoverage, diversity, mode_coverage
from genjax.metrics.frechet import frechet_distance

__all__ = ["Diversity", "ModeCoverage", "diversity", "frechet_distance", "mode_coverage"]
