"""Run folders and the numbers of reports."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest

from genjax import Kind
from genjax.faults import DataError
from genjax.training import NonFiniteError, describe, likelihood_entry, over_seeds
from genjax.training.run import RunError, RunFolder, UsageError, exit_on_fault


@dataclass(frozen=True)
class Config:
    steps: int = 3


def test_a_run_folder_records_where_it_came_from(tmp_path):
    run = RunFolder.create(tmp_path / "a" / "b", Config())
    written = json.loads((run.path / "config.json").read_text())
    assert written["config"] == {"steps": 3}
    assert {"command", "commit", "dirty", "python", "versions", "device"} <= set(written["provenance"])
    assert written["provenance"]["versions"]["jax"]


def test_a_used_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="already holds"):
        RunFolder.create(tmp_path, Config())
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unwritable_folder_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped, exit_on_fault():
        RunFolder.create(tmp_path / "file" / "run", Config())
    assert stopped.value.code == 1
    assert re.fullmatch(r".*: cannot write to .*; choose another --out\n", capsys.readouterr().err)


def test_another_configuration_is_named_and_nothing_there_is_usage(tmp_path):
    RunFolder.create(tmp_path / "run", Config())
    assert RunFolder.reopen(tmp_path / "run", Config(), free=()).path == tmp_path / "run"
    with pytest.raises(UsageError, match="steps was 3 and is 4"):
        RunFolder.reopen(tmp_path / "run", Config(4), free=())
    RunFolder.reopen(tmp_path / "run", Config(4), free=("steps",))
    with pytest.raises(UsageError, match=r"there is no run in .* to resume"):
        RunFolder.reopen(tmp_path / "other", Config(), free=())
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(RunError, match="cannot read"):
        RunFolder.reopen(tmp_path / "run", Config(), free=())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (RunError("x"), 1),
        (NonFiniteError("x"), 1),
        (DataError("x"), 1),
        (MemoryError("x"), 1),
    ],
)
def test_exit_codes(error, code, capsys):
    with pytest.raises(SystemExit) as stopped, exit_on_fault():
        raise error
    assert stopped.value.code == code
    assert capsys.readouterr().err.endswith(": x\n")


def test_json_is_written_whole_and_without_nan(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("a.json", {"x": np.float32(1.5), "y": float("nan"), "z": [np.int64(2)]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5, "y": "nan", "z": [2]}
    run.log({"step": 1})
    run.log({"step": 2})
    assert run.read_log() == [{"step": 1}, {"step": 2}]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "metrics.jsonl"]


def test_standard_errors_over_seeds_and_over_examples():
    log_probs = np.array([[-1.0, -3.0, -2.0], [-2.0, -4.0, -3.0]])
    entry = likelihood_entry(log_probs, 4, Kind.LOWER_BOUND, num_levels=1)
    assert entry["kind"] == "lower bound"
    assert entry["nll_nats"] == {"mean": 2.5, "standard_error": 0.5, "per_seed": [2.0, 3.0]}
    np.testing.assert_allclose(entry["standard_error_over_test"], [1 / np.sqrt(3)] * 2)
    np.testing.assert_allclose(entry["bits_per_dim"]["mean"], 2.5 / 4 / np.log(2), rtol=1e-6)
    assert "bits_per_dim" not in likelihood_entry(log_probs, 4, Kind.EXACT, num_levels=None)
    assert over_seeds([2.0])["standard_error"] is None
    assert describe(over_seeds([2.0]), " nats") == "2 nats"
