"""What every experiment can be told, and how it starts. Nothing heavy is imported, so that `--help` is instant."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Options", "run_script"]


def run_script(main: Callable[[Any], None], presets: dict[str, tuple[str, Any]]) -> None:
    """Parse the command line and run `main` on the configuration; a fault the user can mend ends in one line.

    Args:
        main: what the script does with its configuration.
        presets: name to description and defaults.
    """
    import tyro  # an extra

    config = tyro.extras.overridable_config_cli(presets)
    from genjax.training.run import exit_on_fault  # after parsing, because it imports jax

    with exit_on_fault():
        main(config)


@dataclass(frozen=True)
class Options:
    """Options of a training run; a script's own configuration adds to them and sets its defaults."""

    out: Path = Path("runs/new")
    """Folder of the run; must be new or empty, or hold the run to --resume."""
    resume: bool = False
    """Go on with the run in --out from its newest intact checkpoint."""
    download: bool = False
    """Fetch data files that are missing."""
    steps: int = 2000
    """Optimisation steps."""
    batch_size: int = 128
    """Examples a step."""
    seed: int = 0
    """Seed of the first run; the others follow from it."""
    seeds: int = 3
    """Runs side by side, for error bars."""
    learning_rate: float = 1e-3
    """Peak of the cosine schedule."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip: float = 100.0
    """Largest norm of a gradient."""
    accumulate: int = 1
    """Steps whose gradients are averaged into one update."""
    ema: float = 0.0
    """Decay of a moving average of the parameters, which is then what is validated and reported; 0 for none."""
    validate_every: int = 100
    """Steps between validations; the best parameters are reported."""
    patience: int | None = None
    """Validations without improvement before stopping; by default never."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints."""
    tensorboard: bool = False
    """Also write TensorBoard events (needs the tensorboard extra)."""
