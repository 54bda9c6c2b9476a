"""What a user can do wrong, from tables: one line that says what to do, an exit code, no traceback."""

import contextlib
import dataclasses
import errno
import importlib
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import get_args, get_type_hints

import jax
import numpy as np
import pytest

from genjax import cli
from genjax.data import load
from genjax.faults import UsageError, exit_on_fault
from genjax.recipes import from_run
from genjax.report import CHECKLIST, Quantity, Section, Summary
from genjax.training.checkpoints import Checkpoints
from genjax.training.options import _bounds, check_options, fits, run_script
from genjax.training.run import RunFolder

ROOT = Path(__file__).parent.parent
FAMILIES = ("vae", "autoencoder", "flow", "autoregressive", "energy")
SMALL = {"hidden": (2,), "latents": 1, "seeds": 1}
FORMS = [None, [], {}, -1, 1.5, "text", [[]], {"a": None}, 10**400, True]
"""Values of JSON, of which at most a few are of the right form at any place."""

pytestmark = pytest.mark.usefixtures("standard_promotion", "untyped")


@pytest.fixture
def ended(monkeypatch, capfd):
    """`ended(name, *arguments)` runs a script, or `genjax`, in this process: its exit code, and its words if few."""

    def ended(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            if name == "genjax":
                cli.main()
            else:
                script = importlib.import_module(f"experiments.{name}")
                run_script(script.main, script.PRESETS)
        except SystemExit as stopped:
            code = stopped.code
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == (code != 0), lines
        return code, " ".join(lines)

    return ended


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run folder as training leaves it, of a model that was never trained, and its configuration."""
    path = tmp_path_factory.mktemp("good") / "run"
    recipe = importlib.import_module("genjax.recipes.vae")
    config = dataclasses.replace(recipe.PRESETS["circle"][1], **SMALL, out=path)
    run = RunFolder.create(path, "vae", config, load("circle"))
    spec = load("circle").spec
    checkpoints = Checkpoints(run.checkpoints(), run=run.identity())
    with jax.numpy_dtype_promotion("standard"):
        checkpoints.save(
            1,
            {
                "params": from_run._like(recipe.model(config, spec), 1, spec),
                "progress": {"n": jax.numpy.zeros(1)},
            },
        )
    checkpoints.close()
    sections = {heading: Section("−") for heading in CHECKLIST}
    sections["Likelihood"] = Section("−", {"−log p(x)": Quantity((1.0, 2.0), "nats", "exact", "points")})
    run.write_json("summary.json", Summary("vae", "a VAE", "circle", sections).to_json())
    run.release()
    return path


def everywhere(content, path=()):
    """A JSON value, once for each place in it and each of `FORMS`, with that form there: `(path, value)`."""
    for form in FORMS:
        yield path, form
    if isinstance(content, dict):
        for name, value in content.items():
            yield (*path, name), {key: kept for key, kept in content.items() if key != name}
            for place, other in everywhere(value, (*path, name)):
                yield place, content | {name: other}


# Options.


def out_of_range(bounds, hint):
    """Values that an option of these bounds refuses."""
    whole = isinstance(bounds.low, int) and float not in (hint, *get_args(hint))
    step = 1 if whole else max(abs(bounds.low), 1e-3)
    yield from (bounds.low - step, math.nan, math.inf, -math.inf, -(10**400))
    yield from (bounds.high if bounds.below else bounds.high * 2 + 1, 10**400)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_has_bounds_and_whatever_lies_beyond_them_is_named(family):
    recipe = importlib.import_module(f"genjax.recipes.{family}")
    config = recipe.Config()
    hints, plain = get_type_hints(recipe.Config, include_extras=True), get_type_hints(recipe.Config)
    for option in dataclasses.fields(config):
        bounds = list(_bounds(hints[option.name]))
        numeric = fits(1, plain[option.name]) or fits((1,), plain[option.name])
        assert len(bounds) == (numeric and plain[option.name] is not bool), option.name
        listed = isinstance(getattr(config, option.name), tuple)
        wrong = [value for each in bounds for value in out_of_range(each, plain[option.name])]
        for value in [*wrong, b"x", [1]]:
            given = (value,) if listed and value in wrong else value
            with pytest.raises(UsageError, match=f"^--{option.name.replace('_', '-')} must be .*; got "):
                check_options(dataclasses.replace(config, **{option.name: given}))


TINY = {
    "vae": ["circle"],
    "autoencoder": ["circle"],
    "flow": ["circle"],
    "autoregressive": ["digits"],
    "energy": ["ring"],
}
REFUSED = [
    ("vae", ["--ema", "1"], "--ema must be at least 0 and below 1; got 1.0"),
    ("vae", ["--beta", "nan"], "--beta must be at least 0 and at most 1e+37; got nan"),
    ("vae", ["--latents", "2000000000"], "--latents must be at least 1 and at most 65536; got 2000000000"),
    ("vae", ["--steps", "9" * 40], "--steps must be"),
    ("vae", ["--hidden", "8", "0"], "--hidden must be at least 1"),
    ("vae", ["--accumulate", "3", "--steps", "2"], "--accumulate must be at most --steps"),
    ("vae", ["--test-examples", "1"], "--test-examples must be at least 10"),
    ("vae", ["--conv"], "--conv: convolutions need images"),
    ("autoencoder", ["--conv"], "--conv: convolutions need images"),
    ("flow", ["--model", "glow"], "--model glow needs images"),
    ("flow", ["--hidden"], "--hidden needs at least one width"),
    ("flow", ["--bound", "1e39"], "--bound must be"),
    ("flow", ["--layers", "1001"], "--layers must be at least 1 and at most 1000"),
    ("flow", ["--squeeze", "0.5"], "--squeeze must be at least 0 and below 0.5"),
    ("autoregressive", ["--heads", "3"], "--width must be a multiple of --heads; got 64 and 3"),
    ("autoregressive", ["--width", "0"], "--width must be"),
    ("autoregressive", ["--num-samples", "1000000000"], "--num-samples must be"),
    ("autoregressive", ["--num-samples", "3"], "--num-samples must be at least 4"),
    ("vae", ["--seeds", "1000000000"], "--seeds must be"),
    ("vae", ["--evidence-examples", "1"], "--evidence-examples must be at least 2"),
    ("energy", ["--temperatures", "1"], "--temperatures must be at least 2 and at most 2.14748e+09; got 1"),
    ("energy", ["--hidden-units", "25"], "--hidden-units must be at least 1 and at most 24"),
    ("energy", ["--restart", "2"], "--restart must be at least 0 and at most 1"),
]


@pytest.mark.parametrize(("family", "arguments", "message"), REFUSED)
def test_wrong_options_are_found_before_the_folder_is_made(family, arguments, message, ended, tmp_path):
    code, line = ended(family, *TINY[family], *arguments, "--out", tmp_path / "run")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert line.startswith(f"{family}: {message}")


# Files of other forms.


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_summary_of_any_form_is_read_or_named(every, good, ended, tmp_path):
    path, tried = tmp_path / "run", 0
    path.mkdir()
    contents = everywhere(json.loads((good / "summary.json").read_text()))
    for place, content in islice(contents, 0, None, every):
        (path / "summary.json").write_text(json.dumps(content))
        code, line = ended("genjax", "report", path, "--out", tmp_path / "page.html")
        assert code == 0 or (code == 1 and f"{path / 'summary.json'}" in line), (place, line)
        tried += code
    assert tried > 200 / every


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_a_configuration_of_any_form_is_read_or_named(every, good, tmp_path, monkeypatch, capfd):
    """By `genjax sample`, up to the tracing of the model, and by `--resume`, up to training."""
    config = dataclasses.replace(importlib.import_module("genjax.recipes.vae").PRESETS["circle"][1], **SMALL)
    traced = from_run._like
    monkeypatch.setattr(from_run, "_like", lambda *of: jax.eval_shape(lambda: traced(*of)))
    monkeypatch.setattr(Checkpoints, "restore", lambda self, like: (1, like))
    monkeypatch.setattr(RunFolder, "__repr__", lambda self: "run")
    data, tried = load("circle"), 0
    shutil.copytree(good, tmp_path / "run")
    run, checksums = RunFolder(tmp_path / "run"), data.checksums()
    monkeypatch.setattr(type(data), "checksums", lambda self: checksums)
    facts = json.loads((good / "config.json").read_text())["provenance"]
    monkeypatch.setattr("genjax.training.run.provenance", lambda: facts)
    readers = (
        lambda: from_run.rebuild(run.path),
        lambda: RunFolder.reopen(run.path, "vae", config, data, free=("out",)).release(),
    )
    contents = everywhere(json.loads((good / "config.json").read_text()))
    for place, content in islice(contents, 0, None, every):
        (run.path / "config.json").write_text(json.dumps(content))
        for read in readers:
            code = 0
            try:
                with exit_on_fault():
                    read()
            except SystemExit as stopped:
                code = stopped.code
            said = capfd.readouterr().err.splitlines()
            assert code in (0, 1, 2), (place, said)
            assert len(said) <= 1, (place, said)
            assert bool(said) >= bool(code), place
            tried += code > 0
    assert tried > 200 / every


NOT_SAMPLES = {
    "missing.npz": None,
    "text.npz": b"no",
    "empty.npz": b"",
    "cut.npz": b"PK\x03\x04",
    "folder": "folder",
}


@pytest.mark.parametrize("name", NOT_SAMPLES)
def test_what_is_no_run_and_no_samples_is_named_by_every_command(name, ended, tmp_path):
    path, content = tmp_path / name, NOT_SAMPLES[name]
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    there = list(tmp_path.rglob("*"))
    for command in (
        ("genjax", "sample", path, "--out", tmp_path / "x"),
        ("genjax", "report", path, "--out", tmp_path / "x.html"),
        ("genjax", "evaluate", path, "--against", "circle"),
    ):
        code, line = ended(*command)
        assert code in (1, 2), command
        assert name in line
    assert list(tmp_path.rglob("*")) == there


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sample", "RUN", "--num", "0"], 2, "--num must be at least 1"),
        (["sample", "RUN", "--num", "9" * 30], 2, "--num must be at least 1 and at most"),
        (["sample", "RUN", "--seed", "-1"], 2, "--seed must be at least 0"),
        (["sample", "RUN", "--label", "3"], 2, "has no classes; got 3"),
        (["sample", "RUN", "--out", "RUN/config.json/x"], 1, "cannot write"),
        (["sample", "RUN", "--out", "/nowhere/x"], 1, "cannot write"),
        (["report"], 2, "name at least one run folder"),
        (["report", "RUN", "--out", "RUN"], 1, "cannot write"),
        (["report", "RUN", "--out", "/nowhere/x.html"], 1, "cannot write"),
        (["evaluate", "RUN", "--against", "digits"], 1, "holds no PNG or JPEG images"),
        (["evaluate", "RUN/config.json", "--against", "digits"], 1, "is no NPZ file"),
    ],
)
def test_commands_with_wrong_arguments_end_in_one_line(arguments, code, words, good, ended):
    found, line = ended("genjax", *(argument.replace("RUN", str(good)) for argument in arguments))
    assert found == code
    assert words in line


# The machine and the user.


def faulty(monkeypatch, error, *names):
    """Let each of these functions, by module and name, raise."""

    def fails(*args, **more):
        raise error

    for name in names:
        monkeypatch.setattr(name, fails)


@pytest.mark.parametrize(
    ("at", "number"),
    [
        ("genjax.training.lock.os.open", errno.EACCES),
        ("genjax.training.lock.os.pwrite", errno.ENOSPC),
        ("genjax.training.run.os.replace", errno.EDQUOT),
        ("pathlib.Path.mkdir", errno.EROFS),
        ("pathlib.Path.write_bytes", errno.ENOSPC),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line(at, number, ended, tmp_path, monkeypatch):
    load("circle")
    with monkeypatch.context() as patch:
        faulty(patch, OSError(number, os.strerror(number)), at)
        code, line = ended("vae", "circle", "--out", tmp_path / "run")
    assert code == 1
    assert "cannot write" in line
    assert str(tmp_path / "run") in line
    assert os.strerror(number) in line


@pytest.mark.parametrize("at", ["genjax.training.run.Path.open", "genjax.training.checkpoints.os.replace"])
def test_a_disk_that_fills_in_training_is_one_line_and_the_run_goes_on_later(
    at, tmp_path, monkeypatch, capfd
):
    """Where a line of the log is written, and where a checkpoint is sealed, in the background."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    run = RunFolder(tmp_path)
    state = {"params": {"w": np.zeros(3)}, "progress": {"n": np.zeros(1)}}

    @exit_on_fault()
    def write():
        run.log({"step": 1})
        with contextlib.closing(Checkpoints(run.checkpoints())) as checkpoints:
            checkpoints.save(1, state)

    with monkeypatch.context() as patch:
        faulty(patch, full, at)
        with pytest.raises(SystemExit) as stopped:
            write()
    assert stopped.value.code == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "cannot write" in line
    assert "No space left on device" in line
    with contextlib.closing(Checkpoints(run.checkpoints())) as checkpoints:
        checkpoints.save(1, state)
    with contextlib.closing(Checkpoints(run.checkpoints())) as checkpoints:
        assert checkpoints.restore(state)[0] == 1


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_outside_of_training_says_how_to_go_on(begun, tmp_path, monkeypatch, capfd):
    def main(config):
        if begun:
            (config.out / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["vae.py", "circle", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        run_script(main, importlib.import_module("genjax.recipes.vae").PRESETS)
    assert stopped.value.code == 130
    (line,) = capfd.readouterr().err.splitlines()
    assert ("go on with the same command and --resume" if begun else "nothing was written") in line


def test_a_terminal_without_the_signs_of_a_report_shows_others(good, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["genjax", "report", str(good), "--out", str(tmp_path / "page.html")])
    shown = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", shown[0])
    monkeypatch.setattr(sys, "stderr", shown[1])
    cli.main()
    said = [stream.seek(0) or stream.read() for stream in shown]
    assert "1.50 ? 0.50" in said[0]
    assert said[1] == ""
    assert "1.50 ± 0.50" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"JAX_PLATFORMS": "nonsense"}, "JAX finds no such device; JAX_PLATFORMS=nonsense asks for it"),
        ({"JAX_ENABLE_X64": "banana"}, "invalid truth value 'banana' for environment 'JAX_ENABLE_X64'"),
    ],
)
def test_settings_that_jax_does_not_know_end_in_one_line(environment, words):
    line = [sys.executable, ROOT / "experiments" / "vae.py", "circle", "--out", "/nowhere/run"]
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | environment, cwd=ROOT)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert words in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_ends_in_one_line():
    line = [sys.executable, "-m", "genjax.cli", "doctor"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.endswith("standard output: No space left on device")


@pytest.mark.slow
def test_ctrl_c_while_measuring_leaves_a_run_to_go_on_with(tmp_path):
    options = ["circle", "--steps", "4", "--validate-every", "2", "--hidden", "8", "--seeds", "1"]
    line = [sys.executable, "-u", ROOT / "experiments" / "vae.py", *options, "--out", tmp_path / "run"]
    line += ["--evidence-samples", "100000"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert running.stdout is not None
    while "measuring" not in (running.stdout.readline() or "measuring"):
        pass
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1].splitlines()
    assert running.returncode == 130
    assert len(said) == 1, said
    assert "go on with the same command and --resume" in said[0]
    again = [*line[:-1], "10", "--resume"]  # fewer samples, because only training must be the same
    done = subprocess.run(again, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["provenance"]["config"]["evidence_samples"] == 10
