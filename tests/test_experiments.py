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
    ("preset", "more"), [("digits", []), ("digits", ["--conv"]), ("circle", ["--ema", "0.9"])]
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
    again = script("autoencoder.py", "digits", *TINY, "--out", tmp_path / "run", "--resume")
    assert again.stdout.count("going on from step 4") == 2, again.stderr
    resumed = json.loads((tmp_path / "run" / "summary.json").read_text())["models"]
    for model in (*models.values(), *resumed.values()):
        del model["cost"]  # seconds
    assert resumed == models


@pytest.mark.parametrize("name", ["vae.py", "autoencoder.py"])
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
