"""Training as a pure function, and the run folder that explains itself.

Names load when they are first touched, so that a script can parse its options before it imports jax.
"""

from typing import TYPE_CHECKING

from genjax import _lazy

if TYPE_CHECKING:
    from genjax.training.chains import ChainState as ChainState
    from genjax.training.chains import make_chain_step as make_chain_step
    from genjax.training.driver import Progress as Progress
    from genjax.training.driver import Selected as Selected
    from genjax.training.driver import start as start
    from genjax.training.driver import train as train
    from genjax.training.evaluate import map_examples as map_examples
    from genjax.training.evaluate import map_seeds as map_seeds
    from genjax.training.evaluate import timed as timed
    from genjax.training.experiment import Keys as Keys
    from genjax.training.experiment import Run as Run
    from genjax.training.experiment import Trained as Trained
    from genjax.training.experiment import examples as examples
    from genjax.training.experiment import make_optimizer as make_optimizer
    from genjax.training.experiment import open_run as open_run
    from genjax.training.games import GameState as GameState
    from genjax.training.games import Player as Player
    from genjax.training.games import make_game_step as make_game_step
    from genjax.training.loop import fit as fit
    from genjax.training.model import LogProb as LogProb
    from genjax.training.model import Model as Model
    from genjax.training.options import Options as Options
    from genjax.training.run import RunFolder as RunFolder
    from genjax.training.snapshots import SnapshotState as SnapshotState
    from genjax.training.snapshots import with_snapshots as with_snapshots
    from genjax.training.steps import EmaState as EmaState
    from genjax.training.steps import TrainState as TrainState
    from genjax.training.steps import make_step as make_step
    from genjax.training.steps import with_ema as with_ema
    from genjax.training.stream import fit_stream as fit_stream

_lazy.attach(__name__)
