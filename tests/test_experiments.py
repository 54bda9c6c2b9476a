"""The scripts as a user runs them: tiny runs, help, wrong flags, used folders."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TINY = ["--steps", "4", "--validate-every", "2", "--batch-size", "8", "--hidden", "8", "--latents", "2"]


def script(name, *arguments, **environment):
    command = [sys.executable, str(ROOT / "experiments" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize(
    ("preset", "more"),
    [
        ("digits", []),
        pytest.param("digits", ["--conv"], marks=pytest.mark.slow),
        pytest.param("circle", ["--ema", "0.9"], marks=pytest.mark.slow),
    ],
)
def test_vae_writes_a_run_that_explains_itself(preset, more, tmp_path):
    arguments = [*TINY, *more, "--seeds", "2", "--evidence-samples", "3", "--out", tmp_path / "run"]
    done = script("vae.py", preset, *arguments)
    assert done.returncode == 0, done.stderr
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert {
        "config.json",
        "metrics.jsonl",
        "summary.json",
        "samples.png",
        "curves.png",
        "report.html",
    } <= files
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    kinds = [entry["kind"] for entry in summary["likelihood"].values()]
    assert kinds == ["lower bound", "estimate"]
    assert ("bits_per_dim" in summary["likelihood"]["ELBO"]) == (preset == "digits")
    assert len(summary["likelihood"]["ELBO"]["nll_nats"]["per_seed"]) == 2
    report = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/png;base64" in report
    assert "http" not in report.replace("http-equiv", "")
    assert str(tmp_path / "run" / "report.html") in done.stdout


def test_autoencoder_judges_both_models_by_one_measure(tmp_path):
    done = script("autoencoder.py", "digits", *TINY, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "run" / "summary.json").read_text())["models"]
    assert set(models) == {"autoencoder", "VAE"}
    assert models["VAE"]["decoded"].keys() == models["autoencoder"]["decoded"].keys()


@pytest.mark.slow
def test_both_models_of_the_autoencoder_resume(tmp_path):
    done = script("autoencoder.py", "digits", *TINY, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "run" / "summary.json").read_text())["models"]
    again = script("autoencoder.py", "digits", *TINY, "--out", tmp_path / "run", "--resume")
    assert again.stdout.count("going on from step 4") == 2, again.stderr
    resumed = json.loads((tmp_path / "run" / "summary.json").read_text())["models"]
    for model in (*models.values(), *resumed.values()):
        del model["cost"]  # seconds
    assert resumed == models


def summary_of(path):
    report = (path / "report.html").read_text()
    assert "data:image/png;base64" in report
    return json.loads((path / "summary.json").read_text())


QUICK = ["--steps", "4", "--validate-every", "2", "--seeds", "2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["circle"],
        pytest.param(["digits", "--model", "maf", "--hidden", "8"], marks=pytest.mark.slow),
    ],
)
def test_flow_reports_exact_likelihoods_and_the_truth_where_it_is_known(arguments, tmp_path):
    done = script("flow.py", *arguments, *QUICK, "--layers", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    summary = summary_of(tmp_path / "run")
    (entry,) = summary["likelihood"].values()
    assert entry["kind"] == "exact"
    assert ("bits_per_dim" in entry) == (arguments[0] == "digits")
    if arguments[0] == "circle":
        truth = summary["truth"]
        gap = entry["nll_nats"]["mean"] - truth["nll_of_the_truth_nats"]
        assert abs(truth["entropy_gap_nats"]["mean"] - gap) < 1e-4
        assert abs(truth["mass_of_the_truth_on_the_grid"] - 1) < 1e-3
        assert abs(truth["ring_mass"]["share_of_the_truth"] - 0.9545) < 2e-3  # within two standard deviations
        assert truth["ring_mass"]["share_of_density"]["mean"] < 0.5  # after four steps


def test_autoregressive_reports_joint_and_marginal_of_one_model(tmp_path):
    options = ["--width", "8", "--layers", "1", "--heads", "2", "--num-samples", "5"]
    done = script("autoregressive.py", "digits", *QUICK, *options, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    summary = summary_of(tmp_path / "run")
    marginal, joint = (summary["likelihood"][f"log p({v})"]["nll_nats"]["mean"] for v in ("x", "x, y"))
    posterior = summary["classification"]["log_posterior_of_the_label"]["mean"]
    assert abs(joint - (marginal - posterior)) < 1e-3
    assert (tmp_path / "run" / "completions.png").exists()


def test_energy_brackets_the_enumerated_partition_function(tmp_path):
    options = ["--hidden-units", "6", "--batch-size", "20", "--chains", "20", "--temperatures", "50"]
    done = script("energy.py", "digits", *QUICK, *options, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    z = summary_of(tmp_path / "run")["log_partition_nats"]
    for exact, low, low_error, high, high_error in zip(
        z["value"]["per_seed"],
        z["annealed_lower"],
        z["annealed_lower_standard_error"],
        z["annealed_upper"],
        z["annealed_upper_standard_error"],
        strict=True,
    ):
        assert low - 4 * low_error < exact < high + 4 * high_error
        assert abs(high - low) < 0.1


@pytest.mark.slow
def test_a_flow_learns_the_circle(tmp_path):
    done = script("flow.py", "circle", "--steps", "3000", "--seeds", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    truth = summary_of(tmp_path / "run")["truth"]
    assert truth["entropy_gap_nats"]["mean"] < 0.01
    assert (
        abs(truth["ring_mass"]["share_of_density"]["mean"] - truth["ring_mass"]["share_of_the_truth"]) < 0.01
    )


@pytest.mark.slow
def test_one_class_conditional_model_classifies_digits_by_bayes_rule(tmp_path):
    done = script("autoregressive.py", "digits", "--seeds", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "run")["classification"]["accuracy"]["mean"] >= 0.95


@pytest.mark.slow
@pytest.mark.skipif("GENJAX_DATA" not in os.environ, reason="needs real data: set GENJAX_DATA")
def test_the_gaussian_rows_of_the_maf_paper(tmp_path):
    done = script("tables/maf_gaussian.py", "--out", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    for name, nats, error in (("unconditional", -1366.90, 1.44), ("class-conditional", -1344.65, 1.78)):
        assert abs(rows[name]["nats"] - nats) < 0.006
        assert abs(rows[name]["two_standard_errors"] - error) < 0.006


@pytest.mark.parametrize("name", ["vae.py", "autoencoder.py", "flow.py", "autoregressive.py", "energy.py"])
def test_help_is_instant(name):
    script(name, "digits", "--help")
    started = time.perf_counter()
    done = script(name, "digits", "--help")
    assert time.perf_counter() - started < 1
    assert done.returncode == 0
    assert "--learning-rate" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "digits"),
        (["digits", "--stepz", "3"], "stepz"),
        (["digits", "--steps", "many"], "many"),
        (["digits", "--batch-size", "0"], "--batch-size must be above zero; got 0"),
        (["circle", "--conv"], "--conv: convolutions need images"),
        (["digits", "--resume", "--out", "nowhere"], "there is no run in nowhere to resume"),
    ],
)
def test_wrong_usage_ends_with_code_two_and_no_traceback(arguments, message):
    done = script("vae.py", *arguments)
    assert done.returncode == 2
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_missing_data_say_what_to_do(tmp_path):
    done = script("vae.py", "mnist", "--out", tmp_path / "run", GENJAX_DATA=str(tmp_path))
    assert done.returncode == 1
    assert "GENJAX_DATA" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif("GENJAX_DATA" not in os.environ, reason="needs real data: set GENJAX_DATA")
@pytest.mark.parametrize("preset", ["mnist", "binarized-mnist"])
def test_vae_on_mnist(preset, tmp_path):
    done = script("vae.py", preset, *TINY, "--evidence-samples", "3", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "run" / "config.json").read_text())["provenance"]
    assert set(provenance["data"]) == {"train", "validation", "test"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_summary(number, tmp_path):
    arguments = [
        "circle",
        "--steps",
        "300",
        "--validate-every",
        "50",
        "--hidden",
        "8",
        "--evidence-samples",
        "3",
    ]
    whole = script("vae.py", *arguments, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "cut"
    command = [sys.executable, str(ROOT / "experiments" / "vae.py"), *arguments, "--out", str(out)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "metrics.jsonl").exists():
        time.sleep(0.01)
    running.send_signal(number)
    _, stderr = running.communicate()
    assert running.returncode == 128 + number
    assert "go on with the same command and --resume" in stderr
    assert not (out / "summary.json").exists()
    again = script("vae.py", *arguments, "--out", out, "--resume")
    assert again.returncode == 0, again.stderr
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut")]
    for summary in summaries:
        del summary["cost"]  # seconds
    assert summaries[0] == summaries[1]


def test_a_used_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "kept").write_text("")
    done = script("vae.py", "digits", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("vae.py: ")
    assert "already holds a run" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_diverging_run_stops_and_names_the_step(tmp_path):
    done = script("vae.py", "circle", *TINY, "--learning-rate", "1e30", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "at step" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "summary.json").exists()
