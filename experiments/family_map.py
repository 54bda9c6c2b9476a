"""Train every family on the same data under one budget, and write one honest report: the family map.

    python experiments/family_map.py                        # digits; what `make demo` runs
    python experiments/family_map.py --data circle --out runs/map-circle
    python experiments/family_map.py --quick --out runs/quick     # one seed, a quarter of the budget
    python experiments/family_map.py --only vae,flow --out runs/two

Data mnist needs GENJAX_DATA or --download. Every family sees the same number of training examples. Each has its own
run folder below --out, with a page of its own; `report.html`, `summary.json`, `family_map.csv` and `family_map.png`
hold them all and are written anew after each family. The same command goes on after Ctrl-C.
"""

import contextlib
import csv
import importlib
import io
import json
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

from genjax.faults import Stopped, UsageError, exit_on_fault
from genjax.training.options import Bounds, check_options

ORDER = ("autoencoder", "vae", "gan", "flow", "autoregressive", "energy", "diffusion", "flow_matching")
EXAMPLES = {"digits": 192_000, "circle": 1_024_000, "mnist": 640_000}
"""Training examples that every family sees, some of them more than once."""
FEWER = {("digits", "autoregressive"): 64_000}
"""Families that see fewer, because each costs them more."""
OPTIONS = {
    "digits": {
        "vae": {"evidence_samples": 500},
        "gan": {"batch_size": 64, "conditional": True},
        "flow": {"model": "maf", "hidden": (128,)},
        "autoregressive": {"width": 32, "batch_size": 64},
        "energy": {"batch_size": 64, "hidden_units": 20},
        "diffusion": {"ema": 0.99},
        "flow_matching": {"sampler": "euler", "ema": 0.99},
    },
    "circle": {
        "vae": {"evidence_samples": 500},
        "flow_matching": {"batch_size": 512},
    },
    "mnist": {
        "vae": {"evidence_samples": 200},
        "flow": {"model": "maf", "hidden": (256,)},
        "diffusion": {"layers": 3},
        "flow_matching": {"layers": 3, "sampler": "euler"},
    },
}
"""What differs from a family's preset, beside the number of steps."""
PRESET = {("mnist", "autoregressive"): "binarized-mnist", ("mnist", "energy"): "binarized-mnist"}
JUDGED = 1000
"""Samples per seed that the classifier sees."""


@dataclass(frozen=True)
class Config:
    """Train all families, or some, on one data set."""

    data: Literal["digits", "circle", "mnist"] = "digits"
    """Data set that every family learns."""
    out: Path = Path("runs/demo")
    """Folder of the map; a run folder for each family stands below it."""
    only: str = ""
    """Families to train, separated by commas; all of them by default."""
    quick: bool = False
    """One seed and a quarter of the examples, for a first look."""
    seeds: Annotated[int, Bounds(1, 100)] = 3
    """Trainings of each family side by side, for error bars."""
    seed: Annotated[int, Bounds(0, 2**32 - 1)] = 0
    """Root of all random numbers."""
    download: bool = False
    """Fetch data files that are missing."""


def main(config: Config) -> None:
    families = plan(config)
    begin(config)
    with compiled_once():
        train(config, families)


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Keep programs for the families that follow, which are measured by the same; in the user's cache, if any."""
    import jax

    folder, least = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = {name: jax.config.values[name] for name in (folder, least)}
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update(folder, before[folder] or cache)
        jax.config.update(least, 0.2)
        try:
            yield
        finally:
            for name, value in before.items():
                jax.config.update(name, value)


def train(config: Config, families: list[str]) -> None:
    """Train and measure the families, and write the map anew after each."""
    classifier = None
    if config.data != "circle":
        classifier = config.out / "classifier"
        said("a classifier, whose features judge the samples of all families")
        run("classifier", configuration("classifier", config))
    done = {}
    for number, family in enumerate(families, 1):
        said(f"{number} of {len(families)}: {family}")
        run(family, configuration(family, config))
        done[family] = measured(family, config, classifier)
        write(config, done, len(families))
    print(f"\nfamily map: {config.out / 'report.html'}")


def plan(config: Config) -> list[str]:
    """The families to train, in their order."""
    presets = lambda family: importlib.import_module(f"genjax.recipes.{family}").PRESETS
    known = [family for family in ORDER if PRESET.get((config.data, family), config.data) in presets(family)]
    if not config.only:
        return known
    asked = [name.strip().replace("-", "_") for name in config.only.split(",")]
    for name in asked:
        if name not in known:
            raise UsageError(f"--only: families on {config.data} are {', '.join(known)}; got {name!r}")
    return [family for family in known if family in asked]


def begin(config: Config) -> None:
    """Make the folder, or find it as the same command left it."""
    content = {name: getattr(config, name) for name in ("data", "quick", "seeds", "seed")}
    file = config.out / "map.json"
    if file.exists():
        found = json.loads(file.read_text())
        if found != content:
            raise UsageError(
                f"--out: {config.out} holds a map of {found}; this one is of {content}; choose another"
            )
        return
    if config.out.exists() and any(config.out.iterdir()):
        raise UsageError(f"--out: {config.out} holds something else; choose another folder")
    config.out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content) + "\n")


def configuration(family: str, config: Config):
    """The family's preset under the budget of the map."""
    recipe = importlib.import_module(f"genjax.recipes.{family}")
    options = {} if family == "classifier" else OPTIONS[config.data].get(family, {})
    preset = replace(recipe.PRESETS[PRESET.get((config.data, family), config.data)][1], **options)
    steps, seeds = preset.steps, 1
    if family != "classifier":
        steps = max(1, examples_of(family, config) // preset.batch_size)
        seeds = 1 if config.quick else config.seeds
    # Steps between validations divide all steps: each length of a call is compiled for itself.
    every = max(n for n in range(1, max(1, steps // 10) + 1) if steps % n == 0)
    shared = {"seed": config.seed, "download": config.download, "out": config.out / family}
    return replace(preset, steps=steps, seeds=seeds, validate_every=every, **shared)


def examples_of(family: str, config: Config) -> int:
    """Training examples that a family sees."""
    examples = FEWER.get((config.data, family), EXAMPLES[config.data])
    return examples // 4 if config.quick else examples


def run(family: str, options) -> None:
    """Train and measure one family, go on with it where it was stopped, or leave it alone where it is done."""
    if (options.out / "summary.json").exists():
        print(f"done before: {options.out / 'report.html'}", flush=True)
        return
    resume = (options.out / "config.json").exists()
    importlib.import_module(f"experiments.{family}").main(replace(options, resume=resume))


def measured(family: str, config: Config, classifier: Path | None):
    """The family's own summary, and with a classifier what it says of the samples too; drawn once and kept."""
    from genjax.report import Section, Summary

    read = lambda path: Summary.from_json(json.loads(path.read_text()))
    summary, file = read(config.out / family / "summary.json"), config.out / family / "judged.json"
    if classifier is None:
        return summary
    if not file.exists():
        rows, warnings = judge_samples(family, config, classifier)
        more = {
            heading: Section(summary.sections[heading].text, {**summary.sections[heading].rows, **of})
            for heading, of in rows.items()
        }
        warnings = (*summary.warnings, *warnings)
        summary = replace(summary, sections={**summary.sections, **more}, warnings=warnings)
        file.write_text(json.dumps(summary.to_json(), indent=2) + "\n", encoding="utf-8")
    return read(file)


def judge_samples(family: str, config: Config, classifier: Path):
    """What the classifier says of samples of every seed."""
    import jax
    import jax.numpy as jnp

    from genjax.data import evenly_spaced, load
    from genjax.recipes import classifier as judges
    from genjax.recipes import rebuild
    from genjax.report import Measured, judged
    from genjax.report.samples import draw

    data = load(config.data, download=config.download)
    rebuilt = rebuild(config.out / family)
    key_draw, key_judge = jax.random.split(jax.random.key(config.seed))
    if family == "autoencoder":
        samples = decoded(rebuilt, jnp.asarray(data.train), key_draw)
    else:
        samples, _ = draw(rebuilt.model, rebuilt.params, key_draw, JUDGED)
    assert data.num_levels is not None
    levels = data.num_levels - 1
    grey = lambda part, n: (
        jnp.asarray(evenly_spaced(part, n), jnp.float32).reshape(min(n, len(part)), -1) / levels
    )
    real = grey(data.test, 2000)
    train = grey(data.train, min(JUDGED, len(real)))
    return judged(
        key_judge,
        judges.judge(classifier, data),
        rebuilt.model,
        Measured({}, samples, real, train, {}, ()),
    )


def decoded(rebuilt, train, key):
    """What an autoencoder decodes from a Gaussian fitted to its codes: it has no distribution of its own."""
    import jax
    import jax.numpy as jnp

    from genjax.recipes.latent import networks

    view, net = networks(rebuilt.config, rebuilt.data)
    key_data, key_codes = jax.random.split(key)

    def one_seed(params, key):
        x = jax.vmap(view.observe)(jax.random.split(key_data, len(train)), train)
        codes = jax.vmap(lambda x: net.encode(params, x)[0])(x)
        draws = jax.random.multivariate_normal(key, codes.mean(0), jnp.cov(codes.T), (JUDGED,))
        return jax.vmap(lambda z: net.decode(params, z))(draws)

    seeds = len(jax.tree.leaves(rebuilt.params)[0])
    return jax.jit(jax.vmap(one_seed))(rebuilt.params, jax.random.split(key_codes, seeds))


def write(config: Config, done: dict, num_families: int) -> None:
    """The page, the table and the numbers of the families that are done."""
    from genjax.report import comparison, comparison_page, figures

    most = max(examples_of(family, config) for family in done)
    opening = f"Every family saw {most:,} training examples of {config.data}"
    fewer = [family for family in done if examples_of(family, config) < most]
    opening += "".join(f", {family} {examples_of(family, config):,}" for family in fewer) + "."
    opening += f" Command: {command(config)}."
    if len(done) < num_families:
        opening = f"{len(done)} of {num_families} families so far. {opening}"
    if "autoencoder" in done and config.data != "circle":
        opening += (
            " The autoencoder is no distribution: in a classifier's features stands what it decodes from a Gaussian "
            "fitted to its codes, elsewhere what it decodes from N(0, I)."
        )
    thumbnails = {
        family: file.read_bytes()
        for family in done
        if (file := config.out / family / "samples.png").is_file()
    }
    (config.out / "report.html").write_text(
        comparison_page(done, thumbnails, title=f"The family map on {config.data}", opening=opening),
        encoding="utf-8",
    )
    beside = {family.replace("_", " "): thumbnail for family, thumbnail in thumbnails.items()}
    real = config.out / next(iter(done)) / "samples-test-data.png"
    if real.is_file():
        beside["test data"] = real.read_bytes()
    if beside:
        (config.out / "family_map.png").write_bytes(figures.side_by_side(beside))
    content = {family: summary.to_json() for family, summary in done.items()}
    (config.out / "summary.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    table, text = comparison(list(done.values())), io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["family", *(part for c in table.columns for part in (c.title, f"± {c.title}"))])
    for family, cells in zip(done, table.rows, strict=True):
        pairs = (("", "") if c is None else (c.quantity.mean, c.quantity.standard_error) for c in cells)
        lines.writerow([family, *(part for pair in pairs for part in pair)])
    (config.out / "family_map.csv").write_text(text.getvalue(), encoding="utf-8")
    print(f"page so far: {config.out / 'report.html'}", flush=True)


def command(config: Config) -> str:
    """The command that makes this map: every option that is not as by default, and the folder."""
    words = ["python", "experiments/family_map.py"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "out" or value != field.default:
            words += [f"--{field.name}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def said(what: str) -> None:
    """A line between families."""
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    import tyro

    with exit_on_fault():
        asked = tyro.cli(Config, description=__doc__)
        check_options(asked)
        try:
            main(asked)
        except (KeyboardInterrupt, Stopped) as error:
            stopped = Stopped(f"stopped; go on with the same command (folder {asked.out})")
            stopped.code = getattr(error, "code", stopped.code)
            raise stopped from error
