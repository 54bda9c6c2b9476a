"""The command lines as a user meets them: help, wrong flags, used folders, signals; and slow runs that must learn."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genjax.report import Summary

ROOT = Path(__file__).parent.parent
TINY = ["--steps", "4", "--validate-every", "2", "--batch-size", "8", "--hidden", "8", "--latents", "2"]
SCRIPTS = [
    "autoencoder.py",
    "autoregressive.py",
    "classifier.py",
    "diffusion.py",
    "energy.py",
    "flow.py",
    "flow_matching.py",
    "gan.py",
    "score.py",
    "vae.py",
]


def command(name, *arguments, **environment):
    program = (
        [sys.executable, "-m", "genjax.cli"]
        if name == "genjax"
        else [sys.executable, ROOT / "experiments" / name]
    )
    line = [*map(str, program), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=os.environ | environment, cwd=ROOT)


def summary_of(path):
    return Summary.from_json(json.loads((path / "summary.json").read_text()))


@pytest.mark.slow
def test_a_script_runs_and_says_where_its_page_is(tmp_path):
    done = command(
        "vae.py", "digits", *TINY, "--seeds", "1", "--evidence-samples", "3", "--out", tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "run" / "report.html") in done.stdout
    assert summary_of(tmp_path / "run").main[1].kind == "upper bound"


@pytest.mark.parametrize("name", [*SCRIPTS, "genjax"])
def test_help_is_instant(name):
    arguments = ["--help"] if name == "genjax" else ["digits", "--help"]
    command(name, *arguments)
    started = time.perf_counter()
    done = command(name, *arguments)
    assert time.perf_counter() - started < 1
    assert done.returncode == 0
    assert ("sample" if name == "genjax" else "--learning-rate") in done.stdout


@pytest.mark.parametrize(
    "path", [ROOT / "genjax/training/options.py", *sorted((ROOT / "genjax/recipes").glob("*.py"))]
)
def test_every_option_has_help_that_stands_alone(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Options", "Config")):
            for option, help_text in zip(node.body, node.body[1:], strict=False):
                if isinstance(option, ast.AnnAssign) and isinstance(help_text, ast.Expr):
                    text = help_text.value.value
                    assert len(text.split()) >= 3, (option.target.id, text)
                    assert not text.startswith(("Of ", "As ")), (option.target.id, text)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("vae.py", ["nonsense"], "digits"),
        ("vae.py", ["digits", "--stepz", "3"], "stepz"),
        ("vae.py", ["digits", "--steps", "many"], "many"),
        ("vae.py", ["digits", "--batch-size", "0"], "--batch-size must be at least 1"),
        ("vae.py", ["digits", "--beta", "nan"], "--beta must be at least 0 and at most 1e+37; got nan"),
        ("vae.py", ["digits", "--resume", "--out", "nowhere"], "there is no run in nowhere"),
        pytest.param(
            *(
                "autoregressive.py",
                ["binarized-mnist", "--model", "transformer", "--heads", "3"],
                "GENJAX_DATA",
            ),
            marks=pytest.mark.slow,
        ),
        (
            "energy.py",
            ["ring", "--temperatures", "1"],
            "--temperatures must be at least 2 and at most 2.14748e+09; got 1",
        ),
        pytest.param("genjax", ["sample", "nowhere"], "there is no run in nowhere", marks=pytest.mark.slow),
        pytest.param(
            *("genjax", ["evaluate", "nowhere.npz", "--against", "digits"], "nowhere.npz does not exist"),
            marks=pytest.mark.slow,
        ),
        pytest.param("genjax", ["report"], "name at least one run folder", marks=pytest.mark.slow),
    ],
)
def test_wrong_usage_ends_in_words_and_without_traceback(name, arguments, message, tmp_path):
    done = command(name, *arguments, GENJAX_DATA=str(tmp_path))
    assert done.returncode == (1 if "GENJAX_DATA" in message else 2)
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_missing_data_say_what_to_do(tmp_path):
    done = command("vae.py", "mnist", "--out", tmp_path / "run", GENJAX_DATA=str(tmp_path))
    assert done.returncode == 1
    assert "GENJAX_DATA" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_doctor_says_what_is_there_and_what_is_missing(tmp_path):
    done = command("genjax", "doctor", GENJAX_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    for part in ("jax ", "devices:", "digits: 1,297 / 200 / 300 examples", "mnist is not in", "is writable"):
        assert part in done.stdout, part


def test_a_reader_that_leaves_early_ends_the_program_without_traceback():
    line = [sys.executable, "-m", "genjax.cli", "doctor"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.stderr is not None
    assert "Traceback" not in running.stderr.read()
    assert running.wait() in (0, 128 + signal.SIGPIPE)


@pytest.mark.slow
def test_a_used_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "kept").write_text("")
    done = command("vae.py", "digits", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("vae.py: ")
    assert "already holds" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


@pytest.mark.slow
def test_a_diverging_run_stops_and_names_the_step(tmp_path):
    done = command("vae.py", "circle", *TINY, "--learning-rate", "1e30", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "at step" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_summary(number, tmp_path):
    options = ["--steps", "300", "--validate-every", "50", "--hidden", "8", "--evidence-samples", "3"]
    whole = command("vae.py", "circle", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "cut"
    line = [sys.executable, str(ROOT / "experiments" / "vae.py"), "circle", *options, "--out", str(out)]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "metrics.jsonl").exists():
        time.sleep(0.01)
    running.send_signal(number)
    _, stderr = running.communicate()
    assert running.returncode == 128 + number
    assert "go on with the same command and --resume" in stderr
    assert not (out / "summary.json").exists()
    again = command("vae.py", "circle", *options, "--out", out, "--resume")
    assert again.returncode == 0, again.stderr
    sections = [summary_of(tmp_path / name).to_json()["sections"] for name in ("whole", "cut")]
    for section in sections:
        del section["Cost"]  # seconds
    assert sections[0] == sections[1]


@pytest.mark.slow
def test_a_flow_learns_the_circle(tmp_path):
    done = command("flow.py", "circle", "--steps", "3000", "--seeds", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    rows = summary_of(tmp_path / "run").sections["Likelihood"].rows
    assert rows["entropy gap"].mean < 0.01
    band = rows["mass within 0.2 of the circle"]
    assert abs(band.mean - band.baseline) < 0.01


@pytest.mark.slow
def test_one_class_conditional_model_classifies_digits_by_bayes_rule(tmp_path):
    done = command("autoregressive.py", "digits", "--seeds", "1", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "run").sections["Controls"].rows["accuracy by Bayes' rule"].mean >= 0.95


@pytest.mark.slow
def test_statement_s14_guidance_raises_label_accuracy_and_lowers_diversity(tmp_path):
    classifier, options = tmp_path / "classifier", ["--seeds", "1", "--out"]
    done = command("classifier.py", "digits", *options, classifier)
    assert done.returncode == 0, done.stderr
    short = ["--steps", "3000", "--width", "128", "--classifier", classifier]
    done = command("diffusion.py", "digits", *short, *options, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    rows = summary_of(tmp_path / "run").sections["Controls"].rows
    at = lambda name: [rows[f"{name} at guidance {scale}"].mean for scale in ("0.5", "1", "2", "8")]
    accuracy, within, burnt = map(at, ("label accuracy", "distance within a class", "pixels out of range"))
    assert accuracy[0] < accuracy[1] - 0.05
    assert accuracy[1] <= accuracy[2]
    assert accuracy[2] > 0.98
    assert within[0] > within[1] > within[2]
    assert burnt[3] > 3 * burnt[2]


needs_data = pytest.mark.skipif("GENJAX_DATA" not in os.environ, reason="needs real data: set GENJAX_DATA")


@pytest.mark.slow
@needs_data
def test_the_gaussian_rows_of_the_maf_paper(tmp_path):
    done = command("tables/maf_gaussian.py", "--out", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    for name, nats, error in (("unconditional", -1366.90, 1.44), ("class-conditional", -1344.65, 1.78)):
        assert abs(rows[name]["nats"] - nats) < 0.006
        assert abs(rows[name]["two_standard_errors"] - error) < 0.006


@pytest.mark.slow
def test_tables_of_samplers(tmp_path):
    """Orders of convergence, and the mass on the larger of two modes."""
    done = command("tables/sampler_orders.py", "--out", tmp_path / "orders.json")
    assert done.returncode == 0, done.stderr
    for name, row in json.loads((tmp_path / "orders.json").read_text())["rules"].items():
        assert abs(row["slope"] - row["order"]) < (0.15 if row["order"] == 1 else 0.2), name
    done = command("tables/separated_modes.py", "--out", tmp_path / "modes.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "modes.json").read_text())
    assert abs(rows["annealed, σ 20 → 1, 20 levels of 200 steps"]["mass"] - 0.8) < 0.03
    assert abs(rows["plain, 1,000 steps of .05"]["mass"] - 0.5) < 0.06


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("preset", ["mnist", "binarized-mnist"])
def test_vae_on_mnist(preset, tmp_path):
    done = command("vae.py", preset, *TINY, "--evidence-samples", "3", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "run" / "config.json").read_text())["provenance"]
    assert set(provenance["data"]) == {"train", "validation", "test"}


@pytest.mark.slow
def test_of_two_whole_runs_in_one_folder_one_always_wins(tmp_path):
    tiny = ["vae.py", "circle", *TINY, "--seeds", "1", "--evidence-samples", "3", "--test-examples", "20"]
    line = [sys.executable, "experiments/vae.py", *tiny[1:]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    assert command(*tiny, "--out", tmp_path / "alone").returncode == 0
    alone = summary_of(tmp_path / "alone")
    for i in range(20):
        out, again = tmp_path / str(i // 2), ["--resume"] if i % 2 else []
        two = [subprocess.Popen([*line, "--out", str(out), *again], **pipes) for _ in range(2)]
        ended = {run.pid: (*run.communicate(), run.returncode) for run in two}
        (winner, _), (loser, (_, told, code)) = sorted(ended.items(), key=lambda item: item[1][2])
        assert [ended[winner][2], code] == [0, 2], ended
        assert f"{out} is in use by process {winner} on " in told
        assert loser != winner
        assert len(told.splitlines()) == 1
        assert summary_of(out).sections["Likelihood"] == alone.sections["Likelihood"]
        steps = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert steps == sorted(set(steps))
