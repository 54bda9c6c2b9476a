"""MNIST, Fashion-MNIST and the static binarisation of MNIST, as files published by others."""

import contextlib
import hashlib
import os
import uuid
from pathlib import Path

import numpy as np

from genjax.data.dataset import Dataset
from genjax.data.files import SourceFile, cache_folder, locate, read, read_idx
from genjax.faults import DataError

__all__ = ["binarized_mnist", "fashion_mnist", "mnist", "stacked_mnist"]

SIDE = 28
NUM_TRAIN = 50_000  # of the 60,000; the other 10,000 validate

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
BINARIZED_MNIST_URL = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"

MNIST_FILES = tuple(
    SourceFile(f"{MNIST_URL}{name}.gz", sha256)
    for name, sha256 in {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }.items()
)
FASHION_MNIST_FILES = tuple(
    SourceFile(f"{FASHION_MNIST_URL}{name}.gz", sha256)
    for name, sha256 in {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }.items()
)
BINARIZED_MNIST_FILES = tuple(
    SourceFile(f"{BINARIZED_MNIST_URL}{name}.amat", sha256)
    for name, sha256 in {
        "binarized_mnist_train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
        "binarized_mnist_valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
        "binarized_mnist_test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    }.items()
)


def mnist(*, download: bool = False) -> Dataset:
    """Handwritten digits: 28×28 pixels, 256 grey levels.

    The first 50,000 of the published training images to train on, its last 10,000 to validate, 10,000 to test.

    Args:
        download: whether to fetch missing files (11 MB) into the folder that GENJAX_DATA names, or the cache.

    Returns:
        `Dataset` of unsigned bytes `[n, 28, 28]` with int32 labels and `num_levels=256`.

    Raises:
        DataError: a file is missing, cannot be fetched, or has the wrong content.

    Source: LeCun et al. (1998).
    """
    return _idx_dataset("mnist", MNIST_FILES, download)


def fashion_mnist(*, download: bool = False) -> Dataset:
    """Pictures of clothes in ten classes, of the shape, levels and split of `mnist`.

    Args:
        download: whether to fetch missing files (31 MB) into the folder that GENJAX_DATA names, or the cache.

    Returns:
        `Dataset` of unsigned bytes `[n, 28, 28]` with int32 labels and `num_levels=256`.

    Raises:
        DataError: a file is missing, cannot be fetched, or has the wrong content.

    Source: Xiao et al. (2017), section 2.
    """
    return _idx_dataset("fashion_mnist", FASHION_MNIST_FILES, download)


def binarized_mnist(*, download: bool = False) -> Dataset:
    """MNIST binarised once and for all, on which published log-likelihoods of binary MNIST are reported.

    50,000 images to train on, 10,000 to validate, 10,000 to test, without labels. The first two parts divide
    MNIST's 60,000 images otherwise than `mnist` does. The bits, once proven and parsed, are kept in the cache folder,
    from where a later load takes a fraction of the time.

    Args:
        download: whether to fetch missing files (110 MB) into the folder that GENJAX_DATA names, or the cache.

    Returns:
        `Dataset` of zeros and ones in unsigned bytes `[n, 28, 28]`, with `num_levels=2`.

    Raises:
        DataError: a file is missing, cannot be fetched, or has the wrong content.

    Source: Larochelle and Murray (2011), from the grey levels of Salakhutdinov and Murray (2008).
    """
    paths = locate("binarized_mnist", BINARIZED_MNIST_FILES, fetch=download)
    images = [_cached_bits(path, source) for path, source in zip(paths, BINARIZED_MNIST_FILES, strict=True)]
    train, validation, test = (bits.reshape(-1, SIDE, SIDE) for bits in images)
    return Dataset("binarized_mnist", train, validation, test, num_levels=2)


def stacked_mnist(*, download: bool = False) -> Dataset:
    """Three random digits of `mnist` in three channels: 1,000 modes that a classifier of digits can count.

    As many triples in each part as `mnist` has images there, drawn from that part with one fixed seed.

    Args:
        download: whether to fetch missing files (11 MB) into the folder that GENJAX_DATA names, or the cache.

    Returns:
        `Dataset` of unsigned bytes `[n, 28, 28, 3]` with int32 labels 100 a + 10 b + c and `num_levels=256`.

    Raises:
        DataError: a file is missing, cannot be fetched, or has the wrong content.

    Source: Metz et al. (2017), section 3.3.1; Lin et al. (2018), section 4.2.
    """
    single, rng = mnist(download=download), np.random.default_rng(0)
    images, labels = [], []
    for part in ("train", "validation", "test"):
        digits = getattr(single, part)
        rows = rng.integers(len(digits), size=(len(digits), 3))
        images.append(np.moveaxis(digits[rows], 1, -1))
        labels.append((getattr(single, f"{part}_labels")[rows] @ [100, 10, 1]).astype(np.int32))
    return Dataset("stacked_mnist", *images, *labels, num_levels=256)


def _idx_dataset(name: str, sources: tuple[SourceFile, ...], download: bool) -> Dataset:
    paths = locate(name, sources, fetch=download)
    arrays = [read_idx(read(path, sha256=source.sha256)) for path, source in zip(paths, sources, strict=True)]
    images, labels, test, test_labels = arrays
    return Dataset(
        name,
        images[:NUM_TRAIN],
        images[NUM_TRAIN:],
        test,
        labels[:NUM_TRAIN].astype(np.int32),
        labels[NUM_TRAIN:].astype(np.int32),
        test_labels.astype(np.int32),
        num_levels=256,
    )


def _parse_bits(content: bytes) -> np.ndarray:
    """The zeros and ones of a text, in order, as bytes: an image on every line, its bits apart by spaces or tabs."""
    characters = np.frombuffer(content, np.uint8)
    digits = (characters == ord("0")) | (characters == ord("1"))
    ends = (characters == ord("\n")) | (characters == ord("\r"))
    known = digits | ends | (characters == ord(" ")) | (characters == ord("\t"))
    if not known.all():
        at = int(np.argmin(known))
        raise DataError(f"binarized images are written in 0 and 1; got {content[at : at + 1]!r} at byte {at}")
    if (joined := digits[1:] & digits[:-1]).any():
        at = int(np.argmax(joined))
        raise DataError(
            f"binarized images have a space between bits; got {content[at : at + 2]!r} at byte {at}"
        )
    starts = np.flatnonzero(np.concatenate([[True], ends])[:-1])  # of lines, those without a bit included
    sizes = np.add.reduceat(digits, starts, dtype=np.int64) if characters.size else starts
    if wrong := set(np.unique(sizes).tolist()) - {0, SIDE * SIDE}:
        raise DataError(f"binarized images have {SIDE * SIDE} bits on a line; got a line of {min(wrong)}")
    return characters[digits] - np.uint8(ord("0"))


def _cached_bits(path: Path, source: SourceFile) -> np.ndarray:
    """The bits of a text file: from the cache if it is whole and of this very file, else proven and parsed anew."""
    status = path.stat()
    origin = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {source.sha256}"
    digest = lambda packed: np.frombuffer(
        hashlib.sha256(origin.encode() + packed.tobytes()).digest(), np.uint8
    )
    cached = cache_folder() / "parsed" / f"{source.name}.npy"
    try:
        stored = np.load(cached, allow_pickle=False)
        # The digest covers the origin too, so that damage and another or a changed source read the same.
        if stored.dtype == np.uint8 and np.array_equal(stored[:32], digest(stored[32:])):
            return np.unpackbits(stored[32:])
    except (OSError, ValueError, EOFError):
        pass  # absent or damaged: made below
    bits = _parse_bits(read(path, sha256=source.sha256))
    packed = np.packbits(bits)  # 784 is a multiple of 8: no padding
    _store(cached, np.concatenate([digest(packed), packed]))
    return bits


def _store(path: Path, array: np.ndarray) -> None:
    """Write an array whole or not at all; a cache that cannot be written costs time, not the data."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.npy")
    try:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(temporary, array)
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # moved, or never made
            temporary.unlink()
