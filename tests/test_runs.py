"""Every family from its options to its page, in process: a tiny run of each, read, resumed, sampled and compared."""

import html
import importlib
import json
import shutil
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from genjax import cli, recipes
from genjax.data import load
from genjax.faults import RunError, UsageError
from genjax.report import CHECKLIST, Summary, comparison

pytestmark = pytest.mark.usefixtures("standard_promotion")

QUICK = {"steps": 4, "validate_every": 2, "seeds": 2}
TINY = {
    "vae": ("digits", {"batch_size": 8, "hidden": (8,), "latents": 2, "evidence_samples": 3}),
    "autoencoder": ("digits", {"batch_size": 8, "hidden": (8,), "latents": 2}),
    "flow": ("circle", {"layers": 1, "hidden": (8,), "bins": 4}),
    "autoregressive": ("digits", {"width": 8, "layers": 1, "heads": 2, "num_samples": 70}),
    "energy": ("digits", {"hidden_units": 6, "batch_size": 20, "chains": 20, "temperatures": 50}),
    "diffusion": (
        "ring",
        {"batch_size": 8, "width": 8, "layers": 1, "sampling_steps": 3, "likelihood_examples": 20},
    ),
    "score": ("ring", {"batch_size": 8, "width": 8, "layers": 1, "levels": 2, "sampling_steps": 2}),
    "flow_matching": (
        "ring",
        {"batch_size": 8, "width": 8, "layers": 1, "coupling": "optimal", "likelihood_examples": 20},
    ),
    "gan": ("ring", {"batch_size": 8, "hidden": (8,), "pack": 2, "critic_steps": 2, "ema": 0.5}),
}
ALWAYS = ("vae",)  # the others, which differ in their loss, are `make test-recipes`
some_families = pytest.mark.parametrize(
    "family", [pytest.param(f, marks=[pytest.mark.slow] * (f not in ALWAYS)) for f in TINY]
)
CLASSIFIER = ("digits", {"batch_size": 8, "hidden": (8, 4)})  # which generates nothing


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """`tiny(family)` trains once and returns the run folder."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def run(family):
        go(family, folder / family)
        return folder / family

    return run


def go(family, out, preset=None, **changed):
    name, options = (TINY | {"classifier": CLASSIFIER})[family]
    script = importlib.import_module(f"experiments.{family}")
    config = script.PRESETS[preset or name][1]
    with jax.numpy_dtype_promotion("standard"):
        script.main(replace(config, **(QUICK | ({} if preset else options) | {"out": out} | changed)))


def summary_of(path):
    return Summary.from_json(json.loads((path / "summary.json").read_text()))


def numbers(path):
    """All that was measured, but for seconds and where it was run."""
    content = json.loads((path / "summary.json").read_text())
    del content["sections"]["Cost"], content["provenance"]
    return content


@some_families
def test_a_run_explains_itself(family, tiny):
    path, summary = tiny(family), summary_of(tiny(family))
    files = {p.name for p in path.iterdir()}
    assert {
        "config.json",
        "metrics.jsonl",
        "summary.json",
        "curves.svg",
        "report.html",
        "checkpoints",
    } <= files
    assert any(name.endswith(".png") for name in files)
    assert summary.family == family
    assert tuple(summary.to_json()["sections"]) == CHECKLIST
    page = (path / "report.html").read_text()
    for heading, name, row in summary.rows:
        assert len(row.per_seed) in (1, 2), (heading, name)
        assert html.escape(name, quote=True).replace("&#x27;", "&#39;") in page
    for fact in ("command", "commit", "versions", "device", "data", "config", "num_params"):
        assert summary.provenance[fact] is not None
    assert len(summary.sections["Objective"].rows["selected step"].per_seed) == 2


@pytest.mark.slow
@pytest.mark.parametrize("family", TINY)
def test_a_run_opened_again_measures_the_same(family, tiny, tmp_path):
    """Nothing is trained: parameters come from the checkpoint, and every draw from the seed."""
    shutil.copytree(tiny(family), tmp_path / "again")
    (tmp_path / "again" / "summary.json").unlink()
    go(family, tmp_path / "again", resume=True)
    assert numbers(tmp_path / "again") == numbers(tiny(family))


@some_families
def test_samples_are_drawn_from_a_run_folder_without_its_data(family, tiny, tmp_path, monkeypatch):
    path = tiny(family)
    monkeypatch.setattr("genjax.data.load", None)  # whoever asks for data fails
    cli.sample(cli.Sample(path, num=6, out=tmp_path / "drawn"))
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "drawn.npz") as arrays:
        shape = (8, 8) if TINY[family][0] == "digits" else (2,)
        assert arrays["samples"].shape == (6, *shape)
        assert np.isfinite(arrays["samples"]).all()
        assert ("labels" in arrays) == (family == "autoregressive")
    with pytest.raises(RunError, match=r"drawn.png is there already"):
        cli.sample(cli.Sample(path, num=6, out=tmp_path / "drawn"))


def test_the_rebuilt_parameters_are_those_that_validation_chose(tiny):
    rebuilt = recipes.rebuild(tiny("vae"))
    log = [json.loads(line) for line in (tiny("vae") / "metrics.jsonl").read_text().splitlines()]
    (loss,) = {"loss": rebuilt.model.loss}.values()
    assert rebuilt.step == 4
    data = load("digits")
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), 2)  # the key of validations
    one = lambda params, key, stored: loss(params, key, stored)
    for seed in range(2):
        params = jax.tree.map(lambda leaf, s=seed: leaf[s], rebuilt.params)
        keys = jax.random.split(key, len(data.validation))
        value = jax.jit(jax.vmap(one, (None, 0, 0)))(params, keys, data.validation).mean()
        np.testing.assert_allclose(value, log[-1]["validation_best"][seed], rtol=1e-5)


@pytest.mark.slow
def test_a_class_can_be_chosen_where_the_model_has_classes(tiny, tmp_path):
    cli.sample(cli.Sample(tiny("autoregressive"), num=4, label=3, out=tmp_path / "threes.png"))
    with np.load(tmp_path / "threes.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], 3)
    for family, label, message in (
        ("autoregressive", 10, "has classes 0 to 9; got 10"),
        ("vae", 3, "has no classes; got 3"),
    ):
        with pytest.raises(UsageError, match=message):
            cli.sample(cli.Sample(tiny(family), label=label, out=tmp_path / "none"))


def test_the_vae_says_bound_and_estimate(tiny):
    likelihood = summary_of(tiny("vae")).sections["Likelihood"].rows
    kinds = {name: row.kind for name, row in likelihood.items() if row.kind}
    assert set(kinds.values()) == {"upper bound", "estimate"}
    assert kinds["−ELBO"] == "upper bound"
    again = likelihood["rate"].mean + likelihood["distortion"].mean  # of another draw of the noise
    assert abs(again - likelihood["−ELBO"].mean) < 4 * likelihood["−ELBO"].test_error
    np.testing.assert_allclose(
        likelihood["−ELBO per dimension"].mean, likelihood["−ELBO"].mean / 64 / np.log(2), rtol=1e-5
    )


@pytest.mark.slow
def test_the_flow_is_compared_with_the_truth(tiny):
    rows = summary_of(tiny("flow")).sections["Likelihood"].rows
    nll = rows["−log p(x)"]
    assert nll.kind == "exact"
    assert nll.unit == "nats"
    assert nll.of == "points of circle"
    np.testing.assert_allclose(rows["entropy gap"].mean, nll.mean - nll.baseline, atol=1e-4)
    assert abs(rows["mass on the grid"].baseline - 1) < 1e-3
    band = rows["mass within 0.2 of the circle"]
    assert abs(band.baseline - 0.9545) < 2e-3  # two standard deviations of the radial noise
    assert band.mean < 0.5  # after four steps


@pytest.mark.slow
def test_the_autoencoder_and_the_vae_are_judged_by_one_measure(tiny):
    sections = summary_of(tiny("autoencoder")).sections
    assert not any(
        row.kind for row in sections["Likelihood"].rows.values()
    )  # an autoencoder has no likelihood
    for heading, metric in (("Quality", "precision"), ("Diversity and mode collapse", "recall")):
        judged = [
            name for name in sections[heading].rows if name.startswith(metric) and "decoded from" in name
        ]
        by_model = [
            [n.split("decoded")[1] for n in judged if f"{metric}, {model}," in n]
            for model in ("autoencoder", "VAE")
        ]
        assert by_model[0] == by_model[1]
        assert len(by_model[0]) == 3


@pytest.mark.slow
def test_joint_marginal_and_posterior_are_of_one_model(tiny):
    sections = summary_of(tiny("autoregressive")).sections
    likelihood, posterior = sections["Likelihood"].rows, sections["Controls"].rows["log p(y|x) of the label"]
    joint, marginal = likelihood["−log p(x, y)"], likelihood["−log p(x)"]
    np.testing.assert_allclose(joint.mean, marginal.mean - posterior.mean, rtol=1e-5)
    assert joint.of != marginal.of


@pytest.mark.slow
def test_the_bracket_holds_the_enumerated_partition_function(tiny):
    rows = summary_of(tiny("energy")).sections["Likelihood"].rows
    below, above = rows["log Z, annealed from below"], rows["log Z, annealed from above"]
    ends = zip(
        rows["log Z"].per_seed, below.per_seed, below.over_test, above.per_seed, above.over_test, strict=True
    )
    for exact, low, low_error, high, high_error in ends:
        assert low - 4 * low_error < exact < high + 4 * high_error
        assert abs(high - low) < 0.1


@pytest.mark.slow
def test_the_game_counts_modes_and_flags_a_collapse(tiny):
    """After four steps the samples are a cloud in the middle: both headings say so apart, and so does a line."""
    summary = summary_of(tiny("gan"))
    quality, diversity = (summary.sections[name].rows for name in ("Quality", "Diversity and mode collapse"))
    assert quality["high-quality share"].mean < 0.3
    assert (
        abs(quality["high-quality share"].baseline - 0.989) < 0.01
    )  # three standard deviations in the plane
    assert diversity["modes covered"].baseline == 8
    assert diversity["modes covered"].mean < 8
    assert any(line.startswith("Mode collapse: a seed reaches ") for line in summary.warnings)
    assert summary.sections["Likelihood"].text.startswith("None: the model is implicit")
    files = {p.name for p in tiny("gan").iterdir()}
    assert {"discriminator.png", "discriminator-samples-per-mode.svg", "training.png"} <= files


@pytest.mark.slow
def test_the_diffusion_model_tells_its_loss_by_time_and_its_likelihood(tiny):
    sections = summary_of(tiny("diffusion")).sections
    bands = sections["Timesteps"].rows
    assert len(bands) == 8
    assert all(row.mean > 0 for row in bands.values())
    likelihood = sections["Likelihood"].rows
    gap, nll = likelihood["entropy gap"], likelihood["−log p(x)"]
    assert gap.mean > 1  # after four steps
    assert nll.of == "points of ring"
    assert sections["Cost"].rows["network calls per sample"].mean == 5  # Heun's rule, three steps
    files = {p.name for p in tiny("diffusion").iterdir()}
    assert {"timesteps.svg", "forward.png", "path.png"} <= files


@pytest.mark.slow
def test_flow_matching_tells_how_straight_its_paths_are_and_what_few_steps_give(tiny):
    sections = summary_of(tiny("flow_matching")).sections
    paths = sections["Timesteps"].rows
    assert paths["path energy"].mean > paths["bend"].mean >= 0
    costs = [n for n in sections["Cost"].rows if n.startswith("sliced Wasserstein distance, heun, ")]
    assert [int(name.split(",")[2].split()[0]) for name in costs] == [1, 3, 9, 19, 199]
    assert {"path.png", "network-calls.svg"} <= {p.name for p in tiny("flow_matching").iterdir()}


@pytest.mark.slow
def test_a_flow_learns_from_the_pairs_of_another(tiny, tmp_path):
    """Two kinds of few-step generation: straightened paths, and the average velocity."""
    options = {"width": 8, "layers": 1, "batch_size": 8, "likelihood_examples": 0}
    with pytest.raises(UsageError, match=r"--reflow: .* holds no flow-matching run of the same data"):
        go("flow_matching", tmp_path / "no", preset="moons", reflow=tiny("flow_matching"), **options)
    assert not (tmp_path / "no").exists()
    go("flow_matching", tmp_path / "reflow", preset="ring", reflow=tiny("flow_matching"), **options)
    assert summary_of(tmp_path / "reflow").model == "flow matching (velocity, reflow)"


@pytest.mark.slow
def test_a_score_network_shows_its_field(tiny):
    summary = summary_of(tiny("score"))
    assert summary.sections["Cost"].rows["network calls per sample"].mean == 2 * 2 + 1
    assert len(summary.sections["Timesteps"].rows) == 8
    assert "field.png" in {p.name for p in tiny("score").iterdir()}


@pytest.mark.slow
def test_a_classifier_is_measured_and_judges_the_samples_of_another_run(tiny, tmp_path):
    classifier = tiny("classifier")
    rows = summary_of(classifier).sections["Quality"].rows
    assert 0 < rows["accuracy"].mean < 1
    with pytest.raises(UsageError, match=r"the classifier of .* generates nothing"):
        cli.sample(cli.Sample(classifier, out=tmp_path / "none"))
    options = {"batch_size": 8, "hidden": (8,), "conditional": True, "penalty_every": 2}
    go("gan", tmp_path / "gan", preset="digits", classifier=classifier, **options)
    assert recipes.rebuild(tmp_path / "gan").config.classifier == classifier
    sections = summary_of(tmp_path / "gan").sections
    quality, diversity = sections["Quality"].rows, sections["Diversity and mode collapse"].rows
    floor = quality["Fréchet distance, features"].baseline
    assert 0 <= floor < quality["Fréchet distance, features, of independent pixels"].mean
    assert 0 <= quality["recognised with a probability above 0.9"].mean <= 1
    assert 1 <= diversity["classes reached"].mean <= 10
    for run, message in (
        (tmp_path / "no", "no run in .*makes one"),
        (tiny("vae"), "holds a run of vae on digits"),
    ):
        with pytest.raises(UsageError, match=f"--classifier: {message}" if "no run" in message else message):
            recipes.classifier.judge(run, load("digits"))


@pytest.mark.slow
def test_what_is_measured_of_the_same_test_data_is_the_same_number_in_every_family(tiny):
    """One key once had four units, because each family saw a pixel in its own way."""
    grey = [summary_of(tiny(family)) for family in ("vae", "autoencoder", "autoregressive")]
    name = "pairwise distance, 17 grey levels of digits"
    baselines = [summary.sections["Diversity and mode collapse"].rows[name].baseline for summary in grey]
    np.testing.assert_allclose(baselines, baselines[0], rtol=1e-6)
    black_and_white = summary_of(tiny("energy")).sections["Diversity and mode collapse"].rows
    assert name not in black_and_white


@pytest.mark.slow
def test_no_column_of_the_comparison_mixes_variables(tiny, tmp_path, capsys):
    runs = [tiny(family) for family in TINY]
    table = comparison([summary_of(path) for path in runs])
    for i, column in enumerate(table.columns):
        cells = [row[i] for row in table.rows if row[i] is not None]
        assert {(cell.quantity.of, cell.quantity.unit) for cell in cells} == {(column.of, column.unit)}
    likelihoods = [c for c in table.columns if c.name == "negative log-likelihood"]
    by_variable = {
        c.of: sum(row[table.columns.index(c)] is not None for row in table.rows) for c in likelihoods
    }
    assert by_variable["17 grey levels of digits"] == 2
    assert by_variable["points of circle"] == 1
    assert by_variable["points of ring"] == 2
    cli.report(cli.Report(tuple(runs), out=tmp_path / "side.html"))
    printed = capsys.readouterr().out
    assert "variational" in printed
    page = (tmp_path / "side.html").read_text()
    assert page.count("<img") == len(runs)
    assert "≤" in page


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda path: (path / "config.json").unlink(), UsageError, "config.json is missing"),
        (lambda path: (path / "config.json").write_text("{"), RunError, "cannot read"),
        (lambda path: (path / "config.json").write_text("[]"), RunError, "is not one of a run"),
        (lambda path: (path / "config.json").write_text('{"family": "os"}'), RunError, "is not one of a run"),
    ],
)
def test_a_damaged_run_is_named(damage, error, message, tmp_path):
    (tmp_path / "config.json").write_text('{"family": "vae"}')
    damage(tmp_path)
    with pytest.raises(error, match=message):
        recipes.rebuild(tmp_path)
    (tmp_path / "summary.json").write_text('{"schema_version": 1}')
    with pytest.raises(RunError, match="schema version 1"):
        cli.report(cli.Report((tmp_path,), out=tmp_path / "page.html"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "preset", "options"),
    [
        ("vae", "digits", {"conv": True, "hidden": (4, 8), "batch_size": 8, "evidence_samples": 3}),
        ("vae", "circle", {"ema": 0.9, "accumulate": 2, "patience": 1, "evidence_samples": 3}),
        ("autoencoder", "circle", {}),
        ("flow", "digits", {"model": "maf", "hidden": (8,), "layers": 1}),
        ("flow", "digits", {"hidden": (4,), "layers": 1}),
        ("flow", "moons", {"model": "continuous", "hidden": (8,)}),
        ("flow", "ring", {"model": "spline-coupling", "hidden": (8,), "layers": 2}),
        ("autoregressive", "digits", {"model": "made", "hidden": (8,), "order": "random"}),
        ("energy", "ring", {"temperatures": 20, "annealing_chains": 20}),
        ("diffusion", "moons", {"width": 8, "schedule": "rectified", "prediction": "velocity"}),
        ("diffusion", "digits", {"width": 8, "sampling_steps": 4, "guidance": 2.0}),
        ("diffusion", "digits", {"width": 8, "network": "dit", "layers": 1, "sampling_steps": 2}),
        ("diffusion", "digits", {"width": 4, "network": "unet", "layers": 2, "sampling_steps": 2}),
        ("diffusion", "ring", {"width": 8, "rules": True, "likelihood_examples": 0, "test_examples": 20}),
        ("flow_matching", "ring", {"width": 8, "objective": "average"}),
        ("flow_matching", "moons", {"width": 8, "source": "ring", "sampler": "euler"}),
        ("flow_matching", "digits", {"width": 8, "sampling_steps": 2, "coupling": "optimal"}),
        ("score", "digits", {"width": 8, "levels": 2, "sampling_steps": 2, "guidance": 2.0}),
        (
            "diffusion",
            "circle",
            {"width": 8, "schedule": "linear", "prediction": "noise", "sampler": "ancestral"},
        ),
        ("gan", "line", {"hidden": (8,), "game": "wasserstein", "slope_penalty": 10.0, "r1": 0.0}),
        ("gan", "grid", {"hidden": (8,), "spectral": True, "game": "hinge", "r2": 0.1, "ema": 0.0}),
        ("gan", "ring", {"hidden": (8,), "target": 0.9, "game": "minimax", "r1": 0.0}),
    ],
)
def test_other_models_and_data_run_to_their_page(family, preset, options, tmp_path):
    go(family, tmp_path / "run", preset=preset, **options)
    summary = summary_of(tmp_path / "run")
    assert summary.main is not None
    if options.get("model") == "continuous":
        calls = summary.sections["Cost"].rows["network calls per sample"]
        assert all(
            6 < count < 1000 for count in calls.per_seed
        )  # six per step of the solver, which chooses them
