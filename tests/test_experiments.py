"""The scripts as a user runs them: tiny runs, help, wrong flags, used folders."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TINY = ["--steps", "4", "--validate-every", "2", "--batch-size", "8", "--hidden", "8", "--latents", "2"]


def script(name, *arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("preset", ["digits", "circle"])
def test_vae_writes_a_run_that_explains_itself(preset, tmp_path):
    done = script(
        "vae.py", preset, *TINY, "--seeds", "2", "--evidence-samples", "3", "--out", tmp_path / "run"
    )
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
    assert ("bits_per_dim" in summary["likelihood"]["elbo"]) == (preset == "digits")
    assert len(summary["likelihood"]["elbo"]["nll_nats"]["per_seed"]) == 2
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


@pytest.mark.parametrize("name", ["vae.py", "autoencoder.py"])
def test_help_is_instant(name):
    script(name, "digits", "--help")
    started = time.perf_counter()
    done = script(name, "digits", "--help")
    assert time.perf_counter() - started < 1
    assert done.returncode == 0
    assert "--learning-rate" in done.stdout


def test_wrong_usage_ends_with_code_two_and_no_traceback(tmp_path):
    for arguments in (["nonsense"], ["digits", "--stepz", "3"], ["digits", "--steps", "many"]):
        done = script("vae.py", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


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
