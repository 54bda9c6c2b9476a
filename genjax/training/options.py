"""What every experiment can be told, and how it starts. Nothing heavy is imported, so that `--help` is instant."""

import contextlib
import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from genjax.faults import Stopped, UsageError, exit_on_fault

__all__ = [
    "LARGEST",
    "Bounds",
    "Count",
    "Decay",
    "Depth",
    "Draws",
    "NonNegative",
    "Options",
    "Positive",
    "Share",
    "Width",
    "check_options",
    "fits",
    "run_script",
]


class Bounds(NamedTuple):
    """The range of an option, as a part of its type.

    Args:
        low: the least value.
        high: the largest value.
        below: whether `high` itself is out of range.
    """

    low: int | float
    high: int | float
    below: bool = False

    def hold(self, value: int | float) -> bool:
        """Whether a value lies in the range; NaN and infinity never do."""
        return self.low <= value and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        return f"at least {self.low:g} and {'below' if self.below else 'at most'} {self.high:g}"


LARGEST = 2**31 - 1
Count = Annotated[int, Bounds(1, LARGEST)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
Draws = Annotated[int, Bounds(1, 10**7)]  # a key of each is in memory
Width = Annotated[int, Bounds(1, 2**16)]  # a matrix between two of the widest fills 16 GiB
Depth = Annotated[int, Bounds(1, 1000)]  # each layer is compiled for itself
# Beyond these, float32 is infinite, or zero: a run clipped at 1e-50 would end with a model that never learned.
Positive = Annotated[float, Bounds(1e-37, 1e37)]
NonNegative = Annotated[float, Bounds(0, 1e37)]
Share = Annotated[float, Bounds(0, 1)]
Decay = Annotated[float, Bounds(0, 1, below=True)]


@dataclass(frozen=True)
class Options:
    """Options of a training run; a family's own configuration adds to them and sets its defaults."""

    out: Path = Path("runs/new")
    """Folder of the run; must be new or empty, or hold the run to --resume."""
    resume: bool = False
    """Go on with the run in --out from its newest intact checkpoint."""
    download: bool = False
    """Fetch data files that are missing."""
    steps: Count = 2000
    """Optimisation steps of the whole run."""
    batch_size: Count = 128
    """Training examples per step."""
    seed: Seed = 0
    """The root of all random numbers of the run."""
    seeds: Annotated[int, Bounds(1, 1000)] = 3
    """Independent trainings side by side, for error bars."""
    learning_rate: Positive = 1e-3
    """Peak learning rate of AdamW; it falls to zero along a cosine."""
    weight_decay: NonNegative = 0.0
    """Weight decay of AdamW."""
    clip: Positive = 100.0
    """Largest norm of a gradient; longer ones are scaled down to it."""
    accumulate: Count = 1
    """Steps whose gradients are averaged into one update."""
    ema: Decay = 0.0
    """Decay of a moving average of the parameters, which is then what is validated and reported; 0 for none."""
    validate_every: Count = 100
    """Steps between validations; the parameters of the best one are reported."""
    patience: Count | None = None
    """Validations without improvement before training stops; by default it never does."""
    checkpoint_seconds: NonNegative = 60.0
    """Seconds between checkpoints."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision in which networks compute while they train; parameters, losses and the optimizer stay float32."""
    mesh: str = ""
    """Devices along the axes of a mesh, such as data=4,fsdp=2: both split batches, and fsdp splits parameters too."""
    coordinator: str = ""
    """Train in several processes, each with this command: address:port of the first, or auto if a cluster tells."""
    num_processes: Count = 1
    """Processes that train together, where --coordinator is an address."""
    process: Annotated[int, Bounds(0, LARGEST)] = 0
    """Number of this process from 0, where --coordinator is an address."""
    test_examples: Annotated[int, Bounds(10, LARGEST)] | None = None
    """Test examples that are measured, drawn from all of them; by default all."""
    tensorboard: bool = False
    """Also write TensorBoard events (needs the tensorboard extra)."""
    measuring: ClassVar[tuple[str, ...]] = ("test_examples",)
    """Options that only what follows training reads, and that may therefore be others when a run is resumed."""


def check_options(options: Any) -> None:
    """Raise unless every option has its type and lies in the range that its type states.

    Args:
        options: a dataclass whose fields are annotated with `Bounds`.

    Raises:
        UsageError: naming the option, its type or range, and the value.

    >>> check_options(Options(steps=0))
    Traceback (most recent call last):
        ...
    genjax.faults.UsageError: --steps must be at least 1 and at most 2.14748e+09; got 0
    """
    hints = get_type_hints(type(options), include_extras=True)
    for option in fields(options):
        value, hint = getattr(options, option.name), hints[option.name]
        name = option.name.replace("_", "-")
        if not fits(value, hint):
            plain = get_type_hints(type(options))[option.name]
            words = plain.__name__ if isinstance(plain, type) else plain
            raise UsageError(f"--{name} must be {words}; got {value!r}")
        for bounds in _bounds(hint):
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None and not bounds.hold(one):
                    raise UsageError(f"--{name} must be {bounds}; got {one}")
    accumulate = getattr(options, "accumulate", 1)
    if accumulate > getattr(options, "steps", accumulate):
        raise UsageError(
            f"--accumulate must be at most --steps, or no update is made; got {accumulate} and {options.steps}"
        )


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an option's type; a file can hold anything.

    Args:
        value: any.
        hint: a class, or a `Literal`, a tuple `tuple[T, ...]`, a union or an `Annotated` of what fits.

    >>> fits((3, 4), tuple[int, ...]), fits(True, int), fits(3, float), fits("c", Literal["a", "b"])
    (True, False, True, False)
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, parts[0])
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(one, parts[0]) for one in value)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if hint in NUMBERS:
        return isinstance(value, NUMBERS[hint]) and not isinstance(value, bool)
    return isinstance(value, hint)


NUMBERS = {int: numbers.Integral, float: numbers.Real}


def _bounds(hint: Any) -> Iterator[Bounds]:
    """The bounds in a type, however deep: of an option, of each value in a tuple, of one that may be None."""
    if get_origin(hint) is Annotated:
        yield from (part for part in hint.__metadata__ if isinstance(part, Bounds))
    for part in get_args(hint):
        yield from _bounds(part)


@contextlib.contextmanager
def _processes(config: Options) -> Iterator[None]:
    """Connect to the other processes of a run, if there are any; the first alone prints."""
    if not config.coordinator:
        yield
        return
    from genjax.training.processes import connect, together  # and with them JAX

    connect(config.coordinator, config.num_processes, config.process)
    with together():
        yield


def run_script(main: Callable[[Any], None], presets: dict[str, tuple[str, Any]]) -> None:
    """Parse the command line and run `main` on the configuration; a fault the user can mend ends in one line.

    Args:
        main: what the script does with its configuration.
        presets: name to description and defaults.
    """
    import tyro  # an extra

    with exit_on_fault():
        config = tyro.extras.overridable_config_cli(presets)
        check_options(config)
        try:
            with _processes(config):
                main(config)
        except KeyboardInterrupt as error:
            begun = (config.out / "config.json").exists()
            next_step = "go on with the same command and --resume" if begun else "nothing was written"
            raise Stopped(f"interrupted; {next_step} (run folder {config.out})") from error
