"""Checkpoints that can be trusted: a flipped byte is found, another structure is refused, a run goes on exactly."""

import contextlib
import os
import re
import shutil
import signal
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.data import Dataset
from genjax.faults import Interrupted, NonFiniteError, RunError
from genjax.training import checkpoints as checkpoints_module
from genjax.training import make_step, start, train
from genjax.training.checkpoints import Checkpoints
from genjax.training.run import RunFolder
from genjax.training.session import Session

pytestmark = pytest.mark.usefixtures("standard_promotion")

TREE = {"w": jnp.arange(3000.0), "n": jnp.array(7), "nested": (jnp.ones((2, 2), jnp.bfloat16),)}


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        tree = jax.tree.map(lambda leaf, s=step: leaf + jnp.asarray(s, leaf.dtype), TREE)
        checkpoints.save(step, {"params": tree, "progress": {"n": jnp.array(step)}})
    checkpoints.close()
    return tmp_path / "checkpoints"


def restore(path, like):
    with contextlib.closing(Checkpoints(path)) as checkpoints:
        step, trees = checkpoints.restore({"params": like})
        return step, trees["params"]


def assert_same_bits(a, b):
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_newest_is_restored_and_older_ones_are_dropped(saved):
    step, tree = restore(saved, TREE)
    assert step == 3
    assert_same_bits(tree, jax.tree.map(lambda leaf: leaf + jnp.asarray(3, leaf.dtype), TREE))
    assert len([p for p in saved.iterdir() if p.is_dir()]) == 2


def data_files(folder):
    return sorted(
        (p for p in folder.rglob("*") if p.is_file() and "/d/" in str(p)), key=lambda p: -p.stat().st_size
    )


def test_a_flipped_byte_is_found_and_the_checkpoint_before_is_used(saved, capsys):
    newest = max((p for p in saved.iterdir() if p.is_dir()), key=lambda p: int(p.name.split("_")[-1]))
    for file in data_files(newest):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x10
        file.write_bytes(content)
    step, tree = restore(saved, TREE)
    assert step == 2
    assert_same_bits(tree["n"], jnp.array(9))
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r".*: checkpoint 3 is damaged \(.* fails its checksum\) and passed over", line)


def test_numbers_that_read_well_but_are_wrong_are_found_by_their_checksum(tmp_path, capsys, monkeypatch):
    """What a flipped byte does where the storage layer does not notice."""
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints")) as checkpoints:
        checkpoints.save(1, {"params": TREE})
        honest = checkpoints_module._checksums
        monkeypatch.setattr(checkpoints_module, "_checksums", lambda tree: honest(TREE))
        checkpoints.save(2, {"params": TREE | {"w": TREE["w"].at[1234].add(1.0)}})
        monkeypatch.undo()
    step, tree = restore(tmp_path / "checkpoints", TREE)
    assert step == 1
    assert_same_bits(tree, TREE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("checkpoint 2 is damaged (params['w'] fails its checksum) and passed over")


def test_a_checkpoint_of_another_model_is_refused_by_name(saved):
    with pytest.raises(RunError, match=r"params\['w'\] is float32\[3000\] there and float32\[10\] here"):
        restore(saved, TREE | {"w": jnp.zeros(10)})
    with pytest.raises(RunError, match=r"\['extra'\] is absent there"):
        restore(saved, TREE | {"extra": jnp.zeros(1)})


@pytest.mark.parametrize("name", ["other", "ours vae"])
def test_a_checkpoint_of_another_run_or_model_is_passed_over(name, tmp_path, capsys):
    for run, steps in (("ours", (5,)), (name, (1,))):
        with contextlib.closing(Checkpoints(tmp_path / run, run=run)) as checkpoints:
            for step in steps:
                checkpoints.save(step, {"params": TREE})
    shutil.copytree(tmp_path / "ours" / "5", tmp_path / name / "5")
    with contextlib.closing(Checkpoints(tmp_path / name, run=name)) as checkpoints:
        assert checkpoints.restore({"params": TREE})[0] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("checkpoint 5 is of another run (ours) and passed over")


def test_a_checkpoint_under_the_name_of_another_step_is_passed_over(saved, capsys):
    (saved / "3").rename(saved / "9")
    assert restore(saved, TREE)[0] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("checkpoint 9 is the one of step 3 under another name and passed over")


def test_a_damaged_checkpoint_is_replaced_when_its_step_comes_again(saved, capsys):
    (saved / "3" / "params" / "manifest.ocdbt").unlink()
    with contextlib.closing(Checkpoints(saved)) as checkpoints:
        step, trees = checkpoints.restore({"params": TREE})
        assert step == 2
        checkpoints.save(3, {"params": trees["params"] | {"n": jnp.array(33)}})
    assert len(capsys.readouterr().err.splitlines()) == 1
    step, tree = restore(saved, TREE)
    assert (step, int(tree["n"])) == (3, 33)
    assert capsys.readouterr().err == ""


def test_one_tree_is_restored_without_the_others(saved):
    """Who only samples needs the parameters, and not what an optimizer knows."""
    with contextlib.closing(Checkpoints(saved)) as checkpoints:
        _, trees = checkpoints.restore({"params": TREE})
        assert set(trees) == {"params"}
        _, trees = checkpoints.restore({"params": TREE, "progress": {"n": jnp.array(0)}})
    assert trees["progress"]["n"] == 3


def test_nothing_to_restore_is_an_error(tmp_path):
    with pytest.raises(RunError, match="no intact checkpoint"):
        restore(tmp_path / "none", TREE)


# A noisy step, so that going on with a wrong key or step would show.
INIT, STEP = make_step(
    lambda params, key, batch: jnp.sum((params - jax.random.normal(key, params.shape)) ** 2), optax.adam(0.1)
)
KEYS = jax.random.split(jax.random.key(0), 2)
DATA = jnp.ones((4, 1))


@dataclass(frozen=True)
class Config:
    steps: int = 7


go = partial(
    train,
    KEYS,
    STEP,
    data=DATA,
    validate=lambda params, _: jnp.sum(params**2),
    validation=DATA,
    num_steps=60,
    batch_size=2,
    validate_every=20,
    log_every=7,
)


def fresh():
    return start(jax.vmap(INIT)(jnp.zeros((2, 3))))


@pytest.mark.parametrize("stop_at", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (20, 35, 56))])
def test_an_interrupted_run_goes_on_bit_for_bit(stop_at, tmp_path):
    whole = go(progress=fresh())
    run = RunFolder(tmp_path)

    def interrupted(session, progress, record):
        if record["step"] >= stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return session.after_chunk(progress, record)

    with (
        pytest.raises(Interrupted, match=f"stopped at step {stop_at}"),
        Session(run, num_steps=60) as session,
    ):
        go(progress=fresh(), after_chunk=partial(interrupted, session))
    with Session(run, num_steps=60) as session:
        resumed = go(progress=session.resume(fresh()), after_chunk=session.after_chunk)
    assert_same_bits(resumed, whole)
    steps = [record["step"] for record in run.read_log()]
    assert steps == sorted(set(steps))
    assert steps[-1] == 60


def test_lines_logged_after_the_checkpoint_are_written_once(tmp_path):
    run = RunFolder(tmp_path)
    for step in (7, 14, 20):
        run.log({"step": step})
    run.forget_after(14)
    assert [record["step"] for record in run.read_log()] == [7, 14]


def test_lines_of_another_model_are_kept(tmp_path):
    run = RunFolder(tmp_path)
    for model in ("first", "second"):
        run.log({"model": model, "step": 7})
    run.forget_after(0, model="second")
    assert run.read_log() == [{"model": "first", "step": 7}]


def test_a_run_killed_before_its_first_checkpoint_starts_over(tmp_path):
    run = RunFolder(tmp_path)
    run.log({"step": 7})
    with Session(run, num_steps=60) as session:
        assert_same_bits(session.resume(fresh()), fresh())
    assert run.read_log() == []


def test_models_of_one_run_have_their_own_checkpoints(tmp_path):
    run = RunFolder(tmp_path)
    for name in ("first", "second"):
        with Session(run, num_steps=7, name=name) as session:
            go(progress=fresh(), num_steps=7, after_chunk=session.after_chunk)
    with Session(run, num_steps=7, name="first") as session:
        assert session.resume(fresh()).state.step[0] == 7
    assert [record["model"] for record in run.read_log()] == ["first", "second"]


def test_a_run_that_fails_before_its_first_chunk_leaves_no_folder(tmp_path):
    data = Dataset("ones", np.ones((4, 1)), np.ones((4, 1)), np.ones((4, 1)))
    run = RunFolder.create(tmp_path / "run", "vae", Config(), data)
    with pytest.raises(MemoryError), Session(run, num_steps=7):
        raise MemoryError
    assert not run.path.exists()
    run = RunFolder.create(tmp_path / "run", "vae", Config(), data)

    def late(progress, record):
        session.after_chunk(progress, record)
        raise MemoryError

    with pytest.raises(MemoryError), Session(run, num_steps=7) as session:
        go(progress=fresh(), num_steps=7, after_chunk=late)
    assert {"config.json", "metrics.jsonl"} <= {path.name for path in run.path.iterdir()}


def test_a_diverging_run_keeps_its_last_good_progress(tmp_path):
    init, step = make_step(
        lambda params, key, batch: jnp.sum(jnp.where(params < -6.5, jnp.nan, params)), optax.sgd(1.0)
    )
    begun = start(jax.vmap(init)(jnp.zeros(2)))
    with (
        pytest.raises(NonFiniteError, match="at step 8"),
        Session(RunFolder(tmp_path), num_steps=50) as session,
    ):
        train(
            KEYS,
            step,
            begun,
            DATA,
            lambda params, _: jnp.sum(params),
            DATA,
            num_steps=50,
            batch_size=1,
            validate_every=50,
            log_every=5,
            after_chunk=session.after_chunk,
        )
    with Session(RunFolder(tmp_path), num_steps=50) as session:
        progress = session.resume(begun)
    np.testing.assert_array_equal(progress.state.step, 5)
    assert jnp.isfinite(progress.state.params).all()


def test_signal_handlers_are_given_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with Session(RunFolder(tmp_path), num_steps=1):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_tensorboard_events_are_written_on_request(tmp_path):
    with Session(RunFolder(tmp_path), num_steps=7, tensorboard=True) as session:
        go(progress=fresh(), num_steps=7, after_chunk=session.after_chunk)
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"validation_best/1" in events.read_bytes()
