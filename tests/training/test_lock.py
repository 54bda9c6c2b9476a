"""One writer in a run folder: of two processes one wins, the other is told by whom, and the dead hold nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from genjax.data import Dataset
from genjax.faults import RunError, exit_on_fault
from genjax.training.lock import Lock
from genjax.training.run import RunFolder

DATA = Dataset("zeros", *[np.zeros((2, 3), np.uint8)] * 3, num_levels=2)
# Opens a folder whenever a line names one; holds it until the next line. No jax is loaded, so that it starts at once.
WRITER = """
import sys
from pathlib import Path
from genjax.faults import UsageError
from genjax.training.lock import Lock
print("ready", flush=True)
for line in sys.stdin:
    lock = None
    if not (path := line.strip()):
        print("free", flush=True)
    else:
        try:
            lock = Lock.acquire(Path(path))
            print("mine", flush=True)
        except UsageError as error:
            print(f"{error.code} {error}", flush=True)
"""


@dataclass(frozen=True)
class Config:
    steps: int = 3


@pytest.fixture
def writers():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    root = Path(__file__).parents[2]
    two = [subprocess.Popen([sys.executable, "-c", WRITER], cwd=root, **pipes) for _ in range(2)]
    for writer in two:
        assert writer.stdout.readline() == "ready\n"
    yield two
    for writer in two:
        writer.kill()
        writer.communicate()


def ask(writer, line):
    writer.stdin.write(f"{line}\n")
    return writer.stdout.readline().strip()


def test_of_two_processes_at_once_one_wins_and_the_other_is_told_by_whom(writers, tmp_path):
    for _ in range(20):
        for writer in writers:
            writer.stdin.write(f"{tmp_path}\n")
        said = [writer.stdout.readline().strip() for writer in writers]
        winner = said.index("mine")
        refusal = said[1 - winner]
        assert refusal.startswith(f"2 {tmp_path} is in use by process {writers[winner].pid} on ")
        assert "-c, since 20" in refusal
        ask(writers[winner], "")
        assert ask(writers[1 - winner], tmp_path) == "mine"
        ask(writers[1 - winner], "")
        assert not (tmp_path / ".lock").exists()


def test_the_dead_hold_nothing(writers, tmp_path):
    assert ask(writers[0], tmp_path) == "mine"
    writers[0].send_signal(signal.SIGKILL)
    writers[0].wait()
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == writers[0].pid
    assert ask(writers[1], tmp_path) == "mine"
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == writers[1].pid


def test_a_run_holds_its_folder_from_its_start_to_its_end(writers, tmp_path):
    path = tmp_path / "run"
    run = RunFolder.create(path, "vae", Config(), DATA)
    in_use = f"2 {path} is in use by process {os.getpid()} "
    assert ask(writers[0], path).startswith(in_use)
    assert RunFolder.reopen(path, "vae", Config(), DATA, free=()).path == path  # by the same process
    run.release()
    assert ask(writers[0], path) == "mine"
    with pytest.raises(SystemExit) as stopped, exit_on_fault():
        RunFolder.reopen(path, "vae", Config(), DATA, free=())
    assert stopped.value.code == 2
    ask(writers[0], "")
    again = RunFolder.reopen(path, "vae", Config(), DATA, free=())
    assert ask(writers[0], path).startswith(in_use)
    del again
    assert ask(writers[0], path) == "mine"


def test_a_refused_folder_is_left_as_it_was(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match=r"holds files that are no run's \(mine.txt\); choose another --out"):
        RunFolder.create(tmp_path, "vae", Config(), DATA)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_without_locks_is_used_with_a_warning(tmp_path, monkeypatch, capsys):
    def refused(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refused)
    Lock.acquire(tmp_path).release()
    assert "cannot be locked" in capsys.readouterr().err
