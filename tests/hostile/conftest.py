"""Scripts and commands run in this process, and a run folder as training leaves it."""

import dataclasses
import importlib
import sys

import jax
import pytest

from genjax import cli
from genjax.data import load
from genjax.recipes import from_run
from genjax.report import CHECKLIST, Quantity, Section, Summary
from genjax.training.checkpoints import Checkpoints
from genjax.training.options import run_script
from genjax.training.run import RunFolder

SMALL = {"hidden": (2,), "latents": 1, "seeds": 1}


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


@pytest.fixture(scope="package")
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
