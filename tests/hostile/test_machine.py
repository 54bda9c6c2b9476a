"""Full disks, folders that cannot be written, Ctrl-C, terminals and settings: one line, and how to go on."""

import contextlib
import errno
import importlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genjax import cli
from genjax.data import load
from genjax.faults import exit_on_fault
from genjax.training.checkpoints import Checkpoints
from genjax.training.options import run_script
from genjax.training.run import RunFolder

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("standard_promotion", "untyped")


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
