"""Score matching, and the Langevin dynamics that a score drives.

A score is one callable of one event, `score_fn(x) -> ∇ log p(x)`, of the shape of x; an energy's is −∇E.
"""

from genjax.score.langevin import annealed_langevin, langevin, langevin_step
from genjax.score.matching import (
    denoising_score_matching,
    implicit_score_matching,
    multi_level_score_matching,
    sliced_score_matching,
    sliced_score_matching_vr,
)

__all__ = [
    "annealed_langevin",
    "denoising_score_matching",
    "implicit_score_matching",
    "langevin",
    "langevin_step",
    "multi_level_score_matching",
    "sliced_score_matching",
    "sliced_score_matching_vr",
]
