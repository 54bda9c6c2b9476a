"""Run folders: where a run came from, what is refused, what is written whole; and how a program ends on a fault."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest

from genjax.data import Dataset
from genjax.faults import DataError, Interrupted, NonFiniteError, RunError, UsageError, exit_on_fault
from genjax.training.run import RunFolder

PIXELS = np.zeros((2, 3), np.uint8)
DATA = Dataset("zeros", PIXELS, PIXELS, PIXELS, num_levels=2)


@dataclass(frozen=True)
class Config:
    steps: int = 3


def test_a_run_folder_records_where_it_came_from(tmp_path):
    run = RunFolder.create(tmp_path / "a" / "b", "vae", Config(), DATA)
    written = json.loads((run.path / "config.json").read_text())
    assert written["family"] == "vae"
    assert written["config"] == {"steps": 3}
    assert written["data"] == {"name": "zeros", "event_shape": [3], "num_levels": 2, "num_classes": None}
    facts = {"command", "date", "commit", "dirty", "python", "versions", "device", "data"}
    assert facts <= set(written["provenance"])
    assert written["provenance"]["versions"]["jax"]


def test_a_used_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="already holds"):
        RunFolder.create(tmp_path, "vae", Config(), DATA)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unwritable_folder_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped, exit_on_fault():
        RunFolder.create(tmp_path / "file" / "run", "vae", Config(), DATA)
    assert stopped.value.code == 1
    assert re.fullmatch(r".*: cannot write to .*; choose another --out\n", capsys.readouterr().err)


def test_another_configuration_is_named_and_nothing_there_is_usage(tmp_path):
    RunFolder.create(tmp_path / "run", "vae", Config(), DATA)
    assert RunFolder.reopen(tmp_path / "run", "vae", Config(), DATA, free=()).path == tmp_path / "run"
    with pytest.raises(UsageError, match="steps was 3 and is 4"):
        RunFolder.reopen(tmp_path / "run", "vae", Config(4), DATA, free=())
    RunFolder.reopen(tmp_path / "run", "vae", Config(4), DATA, free=("steps",))
    with pytest.raises(UsageError, match="family was vae and is flow"):
        RunFolder.reopen(tmp_path / "run", "flow", Config(), DATA, free=())
    with pytest.raises(UsageError, match=r"there is no run in .*: config.json is missing"):
        RunFolder.reopen(tmp_path / "other", "vae", Config(), DATA, free=())
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(RunError, match="cannot read"):
        RunFolder.reopen(tmp_path / "run", "vae", Config(), DATA, free=())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (RunError("x"), 1),
        (NonFiniteError("x"), 1),
        (DataError("x"), 1),
        (MemoryError("x"), 1),
        (ModuleNotFoundError("x", name="sklearn"), 1),
    ],
)
def test_exit_codes(error, code, capsys):
    with pytest.raises(SystemExit) as stopped, exit_on_fault():
        raise error
    assert stopped.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(": x") or line.endswith("sklearn is missing: pip install 'genjax-lab[experiments]'")


def test_a_signal_is_told_by_the_exit_code(tmp_path, capsys):
    for error, code in ((Interrupted(15, 7, tmp_path), 143), (KeyboardInterrupt(), 130)):
        with pytest.raises(SystemExit) as stopped, exit_on_fault():
            raise error
        assert stopped.value.code == code
    assert "stopped at step 7; go on with the same command and --resume" in capsys.readouterr().err


def test_json_is_written_whole_and_without_nan(tmp_path):
    run = RunFolder(tmp_path)
    run.write_json("a.json", {"x": np.float32(1.5), "y": float("nan"), "z": [np.int64(2)]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5, "y": "nan", "z": [2]}
    run.log({"step": 1})
    run.log({"step": 2})
    assert run.read_log() == [{"step": 1}, {"step": 2}]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "metrics.jsonl"]


def test_a_run_goes_on_with_its_own_data_alone(tmp_path):
    RunFolder.create(tmp_path / "run", "vae", Config(), DATA)
    other = Dataset("zeros", PIXELS, PIXELS, PIXELS + np.uint8(1), num_levels=2)
    with pytest.raises(UsageError, match=r"was of other data: the checksum of test was .* and is "):
        RunFolder.reopen(tmp_path / "run", "vae", Config(), other, free=())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts["versions"].update(jax="0.0.1"), "jax was 0.0.1 and is "),
        (lambda facts: facts.update(x64=True), "x64 was True and is False"),
        (lambda facts: facts["settings"].update(XLA_FLAGS="--none"), "XLA_FLAGS was --none and is "),
    ],
)
def test_other_versions_and_settings_are_warned_of_in_one_line(change, words, tmp_path, capsys):
    run = RunFolder.create(tmp_path / "run", "vae", Config(), DATA)
    content = run.read_json("config.json")
    RunFolder.reopen(run.path, "vae", Config(), DATA, free=())
    assert capsys.readouterr().err == ""
    change(content["provenance"])
    run.write_json("config.json", content)
    RunFolder.reopen(run.path, "vae", Config(), DATA, free=())
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_torn_last_line_of_the_log_is_dropped_with_a_warning(tmp_path, capsys):
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        run.log({"step": step, "loss": [0.5]})
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    last = whole.rindex(b"{")
    for torn in (whole[: last + 1], whole[:-2], whole[:last] + b"\xff\x00", whole[:last] + b"null\n"):
        (tmp_path / "metrics.jsonl").write_bytes(torn)
        run.forget_after(9)
        assert [record["step"] for record in run.read_log()] == [1, 2]
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("the last line is torn, and dropped")
    (tmp_path / "metrics.jsonl").write_bytes(b"{\n" + whole)
    with pytest.raises(RunError, match="line 1, is damaged"):
        run.read_log()
