"""Training as a pure function, and the run folder that explains itself."""

from genjax.training.driver import NonFiniteError, Progress, Selected, start, train
from genjax.training.evaluate import describe, likelihood_entry, map_examples, over_seeds
from genjax.training.fit import fit
from genjax.training.steps import EmaState, TrainState, make_step, with_ema

__all__ = [
    "EmaState",
    "NonFiniteError",
    "Progress",
    "Selected",
    "TrainState",
    "describe",
    "fit",
    "likelihood_entry",
    "make_step",
    "map_examples",
    "over_seeds",
    "start",
    "train",
    "with_ema",
]
