"""MNIST and its binarisations: the real files where GENJAX_DATA points to them, small ones elsewhere."""

import hashlib
import importlib
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data import DataError, binarize, binarized_mnist, mnist, stacked_mnist
from genjax.data.files import SourceFile, cache_folder

module = importlib.import_module("genjax.data.mnist")  # the package holds the function of this name
DATA = os.environ.get("GENJAX_DATA")
real = pytest.mark.skipif(
    not DATA, reason="GENJAX_DATA does not name a folder with mnist/ and binarized_mnist/"
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@real
def test_mnist_is_split_as_documented():
    data = mnist()
    assert (data.train.shape, data.validation.shape, data.test.shape) == (
        (50_000, 28, 28),
        (10_000, 28, 28),
        (10_000, 28, 28),
    )
    assert (data.train.dtype, data.num_levels, data.num_dims) == (np.uint8, 256, 784)
    labels = (data.train_labels, data.validation_labels, data.test_labels)
    assert [part.dtype for part in labels] == [np.int32] * 3
    assert np.bincount(np.concatenate(labels[:2])).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(labels[2]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labels[0][:5].tolist() == [5, 0, 4, 1, 9]


@real
def test_stacked_digits_are_three_of_one_part_and_their_label_says_which():
    single, stacked = mnist(), stacked_mnist()
    assert (stacked.train.shape, stacked.test.shape) == ((50_000, 28, 28, 3), (10_000, 28, 28, 3))
    assert stacked.spec.num_classes == 1000
    known = {image.tobytes(): label for image, label in zip(single.test, single.test_labels, strict=True)}
    for image, label in zip(stacked.test[:50], stacked.test_labels, strict=False):
        digits = [known[np.ascontiguousarray(image[..., c]).tobytes()] for c in range(3)]
        assert digits == [label // 100, label // 10 % 10, label % 10]
    assert (stacked_mnist().validation_labels == stacked.validation_labels).all()


@real
def test_a_flipped_byte_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for path in (Path(DATA) / "mnist").iterdir():
        (folder / path.name).symlink_to(path)
    source = module.MNIST_FILES[3]
    (packed,) = folder.glob(f"{source.name}*")
    content = bytearray(module.read(packed, sha256=source.sha256))
    packed.unlink()
    content[100] ^= 1
    (folder / source.name).write_bytes(content)
    monkeypatch.setenv("GENJAX_DATA", str(tmp_path))
    with pytest.raises(
        DataError, match=f"{source.name} has the wrong content: expected SHA-256 {source.sha256}"
    ):
        mnist()


@real
def test_binarized_mnist_is_the_published_one_and_its_second_load_is_fast():
    start = time.perf_counter()
    data = binarized_mnist()
    first = time.perf_counter() - start
    start = time.perf_counter()
    again = binarized_mnist()
    second = time.perf_counter() - start
    assert second < first / 3  # measured: 1/30
    parts = [(data.train, again.train), (data.validation, again.validation), (data.test, again.test)]
    for (once, twice), n in zip(parts, (50_000, 10_000, 10_000), strict=True):
        assert (once.shape, once.dtype) == ((n, 28, 28), np.uint8)
        assert once.max() == 1
        np.testing.assert_array_equal(once, twice)
    assert (data.num_levels, data.train_labels) == (2, None)
    # The bits are coin flips of MNIST's own levels; training and validation images are divided otherwise.
    levels = mnist()
    for bits, grey in (
        (np.concatenate([data.train, data.validation]), np.concatenate([levels.train, levels.validation])),
        (data.test, levels.test),
    ):
        counts = np.bincount(grey.ravel(), minlength=256) / grey.size
        p = np.arange(256) / 255
        standard_error = np.sqrt(counts @ (p * (1 - p)) / grey.size)
        np.testing.assert_allclose(bits.mean(), counts @ p, atol=4 * standard_error)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A binarized_mnist/ of a few rows, with its sums."""
    folder = tmp_path / "data" / "binarized_mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sources, bits = [], []
    for published, n in zip(module.BINARIZED_MNIST_FILES, (5, 3, 2), strict=True):
        rows = rng.integers(0, 2, (n, 784))
        text = "\n".join(" ".join(map(str, row)) for row in rows).encode()
        (folder / published.name).write_bytes(text)
        sources.append(SourceFile(published.url, hashlib.sha256(text).hexdigest()))
        bits.append(rows.reshape(-1, 28, 28))
    monkeypatch.setattr(module, "BINARIZED_MNIST_FILES", tuple(sources))
    monkeypatch.setenv("GENJAX_DATA", str(tmp_path / "data"))
    return folder, bits


def parts(data):
    return data.train, data.validation, data.test


def assert_same(data, bits):
    for a, b in zip(parts(data), bits, strict=True):
        np.testing.assert_array_equal(a, b)


def cached_train():
    return cache_folder() / "parsed" / "binarized_mnist_train.amat.npy"


def test_a_cached_load_parses_nothing(small, monkeypatch):
    assert_same(binarized_mnist(), small[1])
    assert len(list(cached_train().parent.iterdir())) == 3
    monkeypatch.setattr(module, "_parse_bits", None)
    assert_same(binarized_mnist(), small[1])


@pytest.mark.parametrize("damage", ["flip", "flip the digest", "cut", "empty", "other"])
def test_a_damaged_cache_is_made_anew(damage, small):
    assert_same(binarized_mnist(), small[1])
    good = cached_train().read_bytes()
    bad = bytearray(good)
    if damage == "flip":
        bad[-1] ^= 1
    elif damage == "flip the digest":
        bad[130] ^= 1
    elif damage == "cut":
        del bad[-50:]
    elif damage == "empty":
        bad = b""
    else:
        np.save(cached_train(), np.zeros(3))
        bad = cached_train().read_bytes()
    cached_train().write_bytes(bad)
    assert_same(binarized_mnist(), small[1])
    assert cached_train().read_bytes() == good
    assert len(list(cached_train().parent.iterdir())) == 3


def test_a_changed_source_is_not_answered_from_the_cache(small):
    folder, bits = small
    assert_same(binarized_mnist(), bits)
    path = folder / "binarized_mnist_train.amat"
    text = path.read_bytes()
    path.write_bytes((b"1" if text[:1] == b"0" else b"0") + text[1:])
    os.utime(path, ns=(1, 1))
    with pytest.raises(
        DataError, match=r"binarized_mnist_train.amat has the wrong content: expected SHA-256"
    ):
        binarized_mnist()


def test_a_cache_that_cannot_be_written_costs_only_time(small, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert_same(binarized_mnist(), small[1])


def test_binarize_flips_coins_of_the_levels_chance():
    levels = np.arange(256, dtype=np.uint8)
    keys = jax.random.split(jax.random.key(0), 4000)
    draw = jax.jit(jax.vmap(binarize, in_axes=(0, None)))
    x = draw(keys, jnp.asarray(levels))
    assert (x.shape, x.dtype) == ((4000, 256), jnp.float32)
    assert set(np.unique(x).tolist()) == {0.0, 1.0}
    p = levels / 255
    standard_error = np.sqrt(p * (1 - p) / 4000)
    # Exact at both ends; elsewhere 254 means, of which the largest error is below 4.5 standard errors.
    np.testing.assert_array_less(np.abs(np.mean(x, axis=0) - p), 4.5 * standard_error + 1e-6)
    z = (np.mean(x, axis=0) - p)[1:-1] / standard_error[1:-1]
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / 254)
    np.testing.assert_array_equal(binarize(keys[0], levels), x[0])


def test_binarize_of_other_levels_and_its_faults():
    key = jax.random.key(0)
    assert binarize(key, jnp.array([[0, 16]]), num_levels=17).tolist() == [[0.0, 1.0]]
    with pytest.raises(ValueError, match=r"levels must lie in 0\.\.16; got 17 at flat position 1"):
        binarize(key, jnp.array([0, 17]), num_levels=17)
    with pytest.raises(ValueError, match="num_levels must be at least 2; got 1"):
        binarize(key, jnp.array([0]), num_levels=1)
    outside = jax.jit(lambda levels: binarize(key, levels, num_levels=17))(jnp.array([16, 17, -1]))
    np.testing.assert_array_equal(outside, [1.0, np.nan, np.nan])


def test_binarize_refuses_what_is_not_levels(untyped):
    with pytest.raises(TypeError, match="levels must be integer; got float32"):
        binarize(jax.random.key(0), jnp.array([0.5]))
    with pytest.raises(TypeError, match="key must be a typed key"):
        binarize(jnp.zeros(2, jnp.uint32), jnp.array([1]))
