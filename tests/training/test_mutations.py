"""Damaged checkpoints, hundreds of them: never a wrong number, one line for each, never a traceback."""

import contextlib
import json
import random
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.training.checkpoints import RECORD, Checkpoints, _checksum

TREE = {"w": jnp.arange(60.0), "n": jnp.array(7)}
FORMS = ["null", "[]", "{}", "3", '"text"', '{"record": [], "checksum": 0}', "[" * 50_000, "{", ""]


def write(path, run, seed, tree=TREE):
    """Two checkpoints of a run, of numbers that no other run has."""
    with contextlib.closing(Checkpoints(path, run=run)) as checkpoints:
        for step in (1, 2):
            params = {"w": tree["w"] + 100 * seed + step, "n": tree["n"] + step}
            checkpoints.save(step, {"params": params, "progress": {"step": jnp.array(step)}})
    return path


def flipped(content, rng):
    bits = bytearray(content)
    bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
    return bytes(bits)


def sealed(record):
    """A record whose own checksum holds."""
    return json.dumps({"record": record, "checksum": _checksum(record)})


def mutations(path, foreign, rng, *, flips):
    """`(name, mutate)`, each to be applied to the newest of the checkpoints that lie in a copy of `path`."""
    names = [str(p.relative_to(path / "2")) for p in sorted((path / "2").rglob("*")) if p.is_file()]

    def rewrite(name, change):
        return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))

    for name in names:
        yield f"delete {name}", lambda folder, name=name: (folder / name).unlink()
        yield f"empty {name}", rewrite(name, lambda content: b"")
        yield f"halve {name}", rewrite(name, lambda content: content[: len(content) // 2])
        yield f"lengthen {name}", rewrite(name, lambda content: content + b"\0")
        yield (
            f"foreign {name}",
            rewrite(
                name,
                lambda content, name=name: (
                    (foreign / "2" / name).read_bytes() if (foreign / "2" / name).exists() else b""
                ),
            ),
        )
        for i in range(flips):
            yield f"flip {i} of {name}", rewrite(name, lambda content: flipped(content, rng))
    yield "swap two files", lambda folder: swap(folder / names[0], folder / names[-1])
    yield "an extra file", lambda folder: (folder / "params" / "extra").write_text("")
    yield "a folder deleted", lambda folder: shutil.rmtree(folder / "params")
    yield "emptied", lambda folder: [shutil.rmtree(folder), folder.mkdir()]
    yield "a file in place of the folder", lambda folder: [shutil.rmtree(folder), folder.write_text("")]
    yield "of another run", lambda folder: replace(folder, foreign / "2")
    yield "the one before, relabelled", lambda folder: replace(folder, folder.with_name("1"))
    for i, form in enumerate(FORMS):
        yield f"record of another form {i}", lambda folder, form=form: (folder / RECORD).write_text(form)
        yield (
            f"Orbax's metadata of another form {i}",
            lambda folder, form=form: (folder / "params" / "_METADATA").write_text(form),
        )
    honest = json.loads((path / "2" / RECORD).read_text())["record"]
    for wrong in (
        None,
        [],
        {},
        3,
        *({**honest, key: value} for key in honest for value in (None, [], {}, -1, "x")),
    ):
        if wrong != honest | {
            "arrays": {}
        }:  # forged with its checksum, this is another model: an error of its own
            yield (
                f"sealed record {str(wrong)[:20]}",
                lambda folder, wrong=wrong: (folder / RECORD).write_text(sealed(wrong)),
            )


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def swap(a, b):
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def replace(folder, other):
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


@pytest.mark.parametrize(("flips", "every"), [(0, 5), pytest.param(12, 1, marks=pytest.mark.slow, id="all")])
def test_a_damaged_checkpoint_is_one_line_and_the_one_before_is_used(flips, every, tmp_path, capfd):
    rng = random.Random(0)
    path, foreign = write(tmp_path / "ours", "ours", 0), write(tmp_path / "foreign", "foreign", 1)
    tried = 0
    for i, (name, mutate) in enumerate(mutations(path, foreign, rng, flips=flips)):
        if i % every:
            continue
        copy = tmp_path / "copy"
        shutil.copytree(path, copy)
        mutate(copy / "2")
        with contextlib.closing(Checkpoints(copy, run="ours")) as checkpoints:
            step, trees = checkpoints.restore({"params": TREE})
        np.testing.assert_array_equal(trees["params"]["w"], TREE["w"] + step, err_msg=name)
        changed = contents(copy / "2") != contents(path / "2")
        said = capfd.readouterr()
        lines = (said.out + said.err).splitlines()
        assert step == (1 if changed else 2), name
        assert len(lines) == changed, (name, lines)
        assert all("checkpoint 2 is" in line and line.endswith("passed over") for line in lines), (
            name,
            lines,
        )
        shutil.rmtree(copy)
        tried += changed
    assert tried > (300 if every == 1 else 20)
    with capfd.disabled():
        print(f" {tried} mutated checkpoints: 0 wrong numbers, at most one line each", end="")
