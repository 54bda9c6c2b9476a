"""The command `genjax`: samples of a run, runs side by side, samples against data, the state of an installation."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from genjax.faults import EXTRAS, DataError, RunError, UsageError, exit_on_fault, missing
from genjax.training.options import Draws, Seed, check_options

if TYPE_CHECKING:
    from genjax.report.summary import Summary

__all__ = ["main"]


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained run: a PNG and an NPZ file. The data set is not needed."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    num: Annotated[Draws, tyro.conf.arg(aliases=("-n",))] = 64
    """Number of samples."""
    label: int | None = None
    """Class of all samples, of a class-conditional model; by default the classes take turns."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same samples."""
    out: Path | None = None
    """Path of the two files, with or without their suffix; by default samples-RUN in this folder."""


@dataclass(frozen=True)
class Report:
    """Put runs of any families side by side: prints a table and writes one page."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of the runs."""
    out: Path = Path("comparison.html")
    """The page to write."""


@dataclass(frozen=True)
class Evaluate:
    """Judge samples against data by quality and by diversity."""

    samples: tyro.conf.Positional[Path]
    """An NPZ file with an array 'samples' [n, ...], or a folder of images of one size."""
    against: str
    """What to compare with: such a file or folder, or the name of a data set (its test part)."""
    download: bool = False
    """Fetch data files that are missing."""


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, which devices and data are found, and what to do about what is missing."""


def main() -> None:
    """Run the command line."""
    commands = {"sample": Sample, "report": Report, "evaluate": Evaluate, "doctor": Doctor}
    with exit_on_fault():
        command = tyro.extras.subcommand_cli_from_dict(commands, prog="genjax", description=__doc__)
        check_options(command)
        {Sample: sample, Report: report, Evaluate: evaluate, Doctor: doctor}[type(command)](command)


def sample(command: Sample) -> None:
    """Draw from the first seed of a run."""
    import jax
    import numpy as np

    from genjax.recipes import rebuild
    from genjax.report.pictures import image_panel, points_panel
    from genjax.report.samples import draw

    out = command.out or Path(f"samples-{command.run.resolve().name}")
    if out.suffix in (".png", ".npz"):
        out = out.with_suffix("")
    files = {kind: out.with_name(f"{out.name}.{kind}") for kind in ("png", "npz")}
    for file in files.values():
        if file.exists():
            raise RunError(f"{file} is there already; choose another --out or remove it")
    _, model, params, step, data = rebuild(command.run)
    if model.sample is None:
        raise UsageError(f"the {model.name} of {command.run} generates nothing")
    if command.label is not None and not 0 <= command.label < (model.num_classes or 0):
        classes = f"classes 0 to {model.num_classes - 1}" if model.num_classes else "no classes"
        raise UsageError(f"--label: the {model.name} of {command.run} has {classes}; got {command.label}")
    labels = None
    if model.num_classes is not None:
        turns = np.arange(command.num) % model.num_classes
        labels = turns if command.label is None else np.full(command.num, command.label)
    first = jax.tree.map(lambda leaf: leaf[:1], params)
    x, _ = draw(model, first, jax.random.key(command.seed), command.num, labels=labels)
    shown = np.asarray(jax.vmap(model.view.show)(x[0]))
    arrays = {"samples": shown.reshape(-1, *data.event_shape)} | (
        {} if labels is None else {"labels": labels}
    )
    if len(data.event_shape) > 1:
        panel = image_panel("samples", shown, data.event_shape)
    else:
        limit = 1.1 * float(np.abs(shown).max()) or 1.0  # a collapsed model may draw zeros
        panel = points_panel("samples", shown, limit=limit)
    try:
        files["png"].write_bytes(panel.data)
        np.savez_compressed(files["npz"], allow_pickle=False, **arrays)
    except OSError as error:
        raise RunError(f"cannot write {files['png']}: {error.strerror}; choose another --out") from error
    print(f"{command.num} samples of the {model.name} (step {step}): {files['png']}, {files['npz']}")


def report(command: Report) -> None:
    """Read summaries, print their table and write their page."""
    from rich.console import Console
    from rich.table import Table

    from genjax.report.page import comparison_page
    from genjax.report.table import comparison

    if not command.runs:
        raise UsageError("name at least one run folder")
    summaries = {str(path): _summary(path) for path in command.runs}
    compared = comparison(list(summaries.values()))
    shown = [i for i, column in enumerate(compared.columns) if column.heading != "Cost"]
    titles = (compared.columns[i].title for i in shown)
    table = Table("run", *titles, caption="± is the standard error over the seeds of a run")
    for summary, cells in zip(summaries.values(), compared.rows, strict=True):
        text = lambda cell: "" if cell is None else cell.quantity.mark + cell.quantity.number
        table.add_row(f"{summary.model} on {summary.data}", *(text(cells[i]) for i in shown))
    console = Console()
    Console(width=None if console.is_terminal else 18 * (len(shown) + 1)).print(table)
    thumbnails = {
        path: file.read_bytes() for path in summaries if (file := Path(path) / "samples.png").is_file()
    }
    try:
        command.out.write_text(comparison_page(summaries, thumbnails), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {command.out}: {error.strerror}; choose another --out") from error
    print(f"page: {command.out}")


def evaluate(command: Evaluate) -> None:
    """Compare two sets of examples in the space they are given in."""
    import jax.numpy as jnp
    import numpy as np

    from genjax.data import DENSITIES, IMAGES
    from genjax.report.samples import compare

    fake = _examples(command.samples)
    name, path = command.against, Path(command.against)
    if path.exists():
        real, train = _examples(path), None
    elif name in DENSITIES | IMAGES:
        real, train = _named(name, command.download)
    else:
        known = ", ".join(sorted(DENSITIES | IMAGES))
        raise UsageError(f"--against: no such file, folder or data set: {name}; data sets are {known}")
    if fake.shape[1:] != real.shape[1:]:
        raise UsageError(
            f"examples differ in shape: {list(fake.shape[1:])} in {command.samples}, {list(real.shape[1:])} in {name}"
        )
    flat = lambda array: jnp.asarray(array.reshape(len(array), -1))
    if min(len(fake), len(real)) < LEAST:
        raise UsageError(f"either side needs at least {LEAST} examples; got {len(fake)} and {len(real)}")
    n = min(
        len(fake), len(real), MOST
    )  # as many of training data as of samples, so that the baseline is fair
    rng = np.random.default_rng(0)
    some = lambda array, n: flat(array[np.sort(rng.choice(len(array), min(n, len(array)), replace=False))])
    baseline = None if train is None else some(train, n)
    quality, diversity, warnings = compare(some(fake, n)[None], some(real, MOST), baseline, of=name)
    for section in (quality, diversity):
        print(section.text)
        for title, row in section.rows.items():
            beside = "" if row.baseline is None else f"   ({row.baseline_of}: {row.baseline:.4g})"
            print(f"  {title}: {row}{beside}")
    for warning in warnings:
        print(f"warning: {warning}")


def doctor(command: Doctor) -> None:
    """Print the state of the installation."""
    import importlib.metadata
    import importlib.util
    import platform
    import tempfile

    import genjax
    from genjax.data import IMAGES, load
    from genjax.data.files import cache_folder, data_folder

    print(
        f"genjax {genjax.__version__} at {Path(genjax.__file__).parent}, Python {platform.python_version()}"
    )
    for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "diffrax", "numpy"):
        print(f"  {name} {importlib.metadata.version(name)}")
    for module in EXTRAS:
        if importlib.util.find_spec(module) is None:
            print(f"  {missing(module)}")
    print("no other distribution named genjax is installed")  # or the import would have been refused

    import jax

    print("devices: " + ", ".join(f"{d.id}: {d.device_kind}" for d in jax.devices()))
    print(f"data in {data_folder()} (set GENJAX_DATA to look elsewhere)")
    for name in IMAGES:
        try:
            found = load(name)
            print(
                f"  {name}: {len(found.train):,} / {len(found.validation):,} / {len(found.test):,} examples"
            )
        except DataError as error:
            print(f"  {name}: {error}")
        except ModuleNotFoundError as error:
            print(f"  {name}: {missing(str(error.name))}")
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_folder()):
            print(f"cache folder {cache_folder()} is writable")
    except OSError as error:
        raise RunError(f"cache folder {cache_folder()} cannot be written: {error.strerror}") from error


LEAST, MOST = 5, 5000
"""Examples that a comparison needs, and the most it takes: nearest neighbours compare all pairs."""

MOST_BYTES = 4 << 30
"""What an array of samples may fill: a few packed megabytes can hide more than there is memory."""


def _summary(path: Path) -> "Summary":
    from genjax.report.summary import Summary
    from genjax.training.run import RunFolder

    try:
        return Summary.from_json(RunFolder(path).read_json("summary.json"))
    except ValueError as error:
        raise RunError(f"{path / 'summary.json'}: {error}") from error


def _examples(path: Path) -> Any:
    """The examples of a file or folder, `[n, ...]` in float32, finite."""
    import numpy as np

    examples = _images(path) if path.is_dir() else _archived(path)
    if examples.ndim < 2 or examples.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: samples must be real numbers [n, ...]; got {examples.dtype}{list(examples.shape)}"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # said below
        examples = examples.astype(np.float32)
    if not np.isfinite(examples).all():
        raise DataError(
            f"{path}: samples, in float32, must be finite; sample {np.argwhere(~np.isfinite(examples))[0][0]} is not"
        )
    return examples


def _archived(path: Path) -> Any:
    """The array 'samples' of an NPZ file, as NumPy reads it: nothing in it is run or fills more than a bound."""
    import warnings

    import numpy as np

    try:
        with (
            warnings.catch_warnings(action="ignore"),  # of Python, where a header is odd Python
            path.open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            size = max((member.file_size for member in arrays.zip.infolist()), default=0)
            if size > MOST_BYTES:
                raise DataError(
                    f"{path} unpacks to {size} bytes; at most {MOST_BYTES} are read: keep fewer samples"
                )
            examples = arrays["samples"]
        if not isinstance(examples, np.ndarray):
            raise DataError(f"{path}: samples must be an array of NumPy; got {len(examples)} other bytes")
        return examples
    except DataError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist") from error
    except KeyError as error:
        raise DataError(f"{path} holds no array named 'samples'") from error
    except Exception as error:  # NumPy has no common base of what a foreign file raises
        raise DataError(f"{path} is no NPZ file: {error}") from error


def _images(folder: Path) -> Any:
    """Images of a folder, their values over 255: `[n, height, width]` of grey ones, with a last axis of colour."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not paths:
        raise DataError(f"{folder} holds no PNG or JPEG images")
    images = []
    for path in paths:
        try:
            with Image.open(path) as image:
                grey = image.mode in ("1", "L")
                images.append(np.asarray(image.convert("L" if grey else "RGB"), np.float32) / 255)
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{path} is no image: {error}") from error
        if images[-1].shape != images[0].shape:
            raise DataError(f"{path} has shape {images[-1].shape}, and {paths[0]} {images[0].shape}")
    return np.stack(images)


def _named(name: str, download: bool) -> tuple[Any, Any]:
    """Test and training examples of a data set; grey levels in [0, 1]."""
    import numpy as np

    from genjax.data import load

    data = load(name, download=download)
    scale = 1 if data.num_levels is None else data.num_levels - 1
    grey = lambda part: np.asarray(part, np.float32) / scale
    return grey(data.test), grey(data.train)


if __name__ == "__main__":
    main()
