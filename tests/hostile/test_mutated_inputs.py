"""Files as damage and malice make them; `python -m tests.faults.inputs` tries a hundred thousand."""

import json
import pickle
import random
import time
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from genjax import cli
from genjax.data.files import IDX_DTYPES, read_idx
from genjax.data.mnist import _parse_bits
from genjax.faults import DataError, Fault, RunError
from genjax.recipes import rebuild
from tests.faults import inputs
from tests.faults.inputs import Failure, bounded, mutated, read
from tests.faults.mnist_files import IDX, idx
from tests.faults.mutations import Reader
from tests.faults.sample_files import npy_member

pytestmark = pytest.mark.usefixtures("standard_promotion", "untyped")


@pytest.mark.parametrize("name", inputs.NAMES)
def test_mutated_inputs_are_refused_in_one_line_or_read_as_numpy_reads_them(name):
    counts = mutated(name, 100, seed=1)
    assert counts.refused > 20
    assert counts.read > 1


sizes = st.lists(st.sampled_from([0, 1, 2, 3, 2**16, 2**31, 2**32 - 1]), max_size=70)


@given(code=st.sampled_from([*IDX_DTYPES, 0, 10, 255]), shape=sizes, values=st.binary(max_size=80))
def test_any_header_before_any_bytes_is_refused_or_read_as_numpy_reads_it(code, shape, values):
    content = idx(code, shape, values)
    with bounded():
        read(IDX, content)


def raises(error):
    def fails(content):
        raise error

    return fails


def slow(content):
    try:
        time.sleep(10)
    except Exception:
        return 1


@pytest.mark.parametrize(
    ("reads", "truth", "message"),
    [
        (slow, lambda content: 1, "no answer in 0.05 s"),
        (lambda content: bytearray(8 << 30), lambda content: 1, "MemoryError"),
        (raises(ValueError("raw")), lambda content: 1, "ValueError: raw"),
        (raises(Fault("two\nlines")), lambda content: 1, "refused in other than one line"),
        (lambda content: 1, lambda content: 2, "read as 1, where NumPy reads 2"),
        (lambda content: 1, raises(ValueError("no")), "read, where NumPy refuses: ValueError: no"),
    ],
)
def test_the_demand_bites(reads, truth, message, monkeypatch):
    monkeypatch.setattr(inputs, "SECONDS", 0.05)
    with bounded(), pytest.raises(Failure, match=message):
        read(Reader(reads, truth, (), ()), b"")


def test_a_failure_names_the_input_that_shows_it_again(monkeypatch):
    refuse = raises(Failure("raw"))
    monkeypatch.setattr(inputs, "read", lambda reader, content: content in reader.seeds or refuse(content))
    with pytest.raises(Failure, match="idx, seed 3, number 7: raw"):
        mutated("idx", 1, seed=3, first=7)


class Touch:
    """What a pickle of this makes when it is read: a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("as_array", [True, False])
def test_a_pickle_among_samples_never_runs(as_array, tmp_path, ended):
    mark, path = tmp_path / "it ran", tmp_path / "samples.npz"
    if as_array:
        array = np.empty(6, object)
        array[:] = [Touch(mark)] * 6
        np.savez(path, samples=array)
    else:
        path.write_bytes(pickle.dumps(Touch(mark)))
    code, line = ended("genjax", "evaluate", path, "--against", "circle")
    assert code == 1
    assert "samples.npz is no NPZ file" in line
    assert not mark.exists()
    loaded = np.load(path, allow_pickle=True)
    if as_array:
        loaded["samples"]
    assert mark.exists()  # as where pickles are allowed


def test_samples_that_unpack_to_more_than_a_bound_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", samples=np.zeros((1000, 100)))
    monkeypatch.setattr(cli, "MOST_BYTES", 800_000)
    with pytest.raises(DataError, match=r"bomb\.npz unpacks to 800128 bytes; at most 800000 are read"):
        cli._examples(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda p: np.savez(p, samples=np.full((9, 2), 1e300)),
            "in float32, must be finite; sample 0 is not",
        ),
        (
            lambda p: np.savez(p, samples=np.zeros((9, 2), "m8[s]")),
            r"must be real numbers .* got timedelta64\[s\]\[9, 2\]",
        ),
        (
            lambda p: p.write_bytes(npy_member(b"text", random.Random(1))),
            "must be an array of NumPy; got 4 other bytes",
        ),
    ],
)
def test_samples_of_no_real_numbers_are_named(write, message, tmp_path):
    write(tmp_path / "samples.npz")
    with pytest.raises(DataError, match=message):
        cli._examples(tmp_path / "samples.npz")


ROW = b"0 1 " * 392


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ROW + b"\n" + ROW[:-2] + b"2", "are written in 0 and 1; got b'2' at byte 3135"),
        (b"\0" + ROW, r"are written in 0 and 1; got b'\\x00' at byte 0"),
        (b"01" + ROW, "have a space between bits; got b'01' at byte 0"),
        (ROW + b"\n" + ROW[:8], "have 784 bits on a line; got a line of 4"),
        (ROW + ROW, "have 784 bits on a line; got a line of 1568"),
    ],
)
def test_bits_that_are_none_are_named(content, message):
    with pytest.raises(DataError, match=message):
        _parse_bits(content)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1,) * 65, "dimension"), ((0, 2**32 - 1, 2**32 - 1), "is beyond what NumPy holds")],
)
def test_an_idx_shape_beyond_numpy_is_named(shape, message):
    with pytest.raises(DataError, match=message):
        read_idx(idx(8, shape, b"1" * (0 not in shape)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("num_levels"), "its data lacks num_levels"),
        (lambda data: data.update(event_shape=""), "data is {"),
        (lambda data: data.update({"a\nb": 1}), "unexpected keyword argument 'a b'"),
    ],
)
def test_what_is_known_of_the_data_must_be_whole(change, message, good, tmp_path):
    content = json.loads((good / "config.json").read_text())
    change(content["data"])
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=message):
        rebuild(tmp_path)
