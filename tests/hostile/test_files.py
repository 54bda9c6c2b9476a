"""Files of other forms, and commands given them: read, or named in one line."""

import dataclasses
import importlib
import json
import shutil
from itertools import islice

import jax
import pytest

from genjax.data import load
from genjax.faults import exit_on_fault
from genjax.recipes import from_run
from genjax.training.checkpoints import Checkpoints
from genjax.training.run import RunFolder

from .conftest import SMALL

FORMS = [None, [], {}, -1, 1.5, "text", [[]], {"a": None}, 10**400, True]
"""Values of JSON, of which at most a few are of the right form at any place."""

pytestmark = pytest.mark.usefixtures("standard_promotion", "untyped")


def everywhere(content, path=()):
    """A JSON value, once for each place in it and each of `FORMS`, with that form there: `(path, value)`."""
    for form in FORMS:
        yield path, form
    if isinstance(content, dict):
        for name, value in content.items():
            yield (*path, name), {key: kept for key, kept in content.items() if key != name}
            for place, other in everywhere(value, (*path, name)):
                yield place, content | {name: other}


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
