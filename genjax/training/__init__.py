"""Training as a pure function, and the run folder that explains itself.

Names load when they are first touched, so that a script can parse its options before it imports jax.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genjax.training.chains import ChainState, make_chain_step
    from genjax.training.driver import NonFiniteError, Progress, Selected, start, train
    from genjax.training.evaluate import (
        compare_samples,
        describe,
        evenly_spaced,
        likelihood_entry,
        map_examples,
        map_seeds,
        over_seeds,
        timed,
    )
    from genjax.training.experiment import Trained, make_optimizer, open_run, run_seeds, train_seeds
    from genjax.training.loop import fit
    from genjax.training.options import Options
    from genjax.training.steps import EmaState, TrainState, make_step, with_ema

__all__ = [
    "ChainState",
    "EmaState",
    "NonFiniteError",
    "Options",
    "Progress",
    "Selected",
    "TrainState",
    "Trained",
    "compare_samples",
    "describe",
    "evenly_spaced",
    "fit",
    "likelihood_entry",
    "make_chain_step",
    "make_optimizer",
    "make_step",
    "map_examples",
    "map_seeds",
    "open_run",
    "over_seeds",
    "run_seeds",
    "start",
    "timed",
    "train",
    "train_seeds",
    "with_ema",
]

_HOME = {
    "driver": ("NonFiniteError", "Progress", "Selected", "start", "train"),
    "evaluate": (
        "compare_samples",
        "describe",
        "evenly_spaced",
        "likelihood_entry",
        "map_examples",
        "map_seeds",
        "over_seeds",
        "timed",
    ),
    "experiment": ("Trained", "make_optimizer", "open_run", "run_seeds", "train_seeds"),
    "loop": ("fit",),
    "options": ("Options",),
    "chains": ("ChainState", "make_chain_step"),
    "steps": ("EmaState", "TrainState", "make_step", "with_ema"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"genjax.training.{module}"), name)
    raise AttributeError(f"module 'genjax.training' has no attribute {name!r}")
