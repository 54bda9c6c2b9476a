"""Mutated files of samples: archives of NumPy arrays, some with a pickle that says so when it is run."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from genjax import cli
from tests.faults.mutations import EXTREMES, GENERAL, Reader, plain_array


class Ran(BaseException):
    """A pickle in a file was run; no `except Exception` may swallow it."""


def run():
    raise Ran


class Pickled:
    """An object that says so when it is made again from a file."""

    def __reduce__(self):
        return run, ()


DTYPES = [
    "<f8",
    ">f4",
    "<f2",
    "<g",
    "|b1",
    "|i1",
    "<u8",
    "<c8",
    "|O",
    "<U3",
    "|S2",
    "<m8[s]",
    "<M8[D]",
    "|V3",
    "i4,f4",
]


def npz(arrays, *, compressed=False):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def npz_dtype(content, rng):
    """A well-made file of another type, shape or name."""
    shape = [rng.choice((0, 1, 2, 5)) for _ in range(rng.randrange(5))]
    dtype = np.dtype(rng.choice(DTYPES))
    if dtype.hasobject:
        array = np.full(shape, None)
        array.fill(rng.choice((None, 1, {}, Pickled())))
    else:
        array = np.frombuffer(rng.randbytes(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    name = rng.choice(("samples", "samples", "samples", "other", "samples.npy"))
    return npz({name: array}, compressed=rng.random() < 0.5)


def npy_member(member, rng):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr(rng.choice(("samples.npy", "samples.npy", "samples")), member)
    return file.getvalue()


def npz_header(content, rng):
    """A header of extreme shapes, of a type that is none, of other keys, or that is no Python at all."""
    sizes = (0, 1, -1, 2**20, 2**31, 2**40, 2**63, 2**64, 10**30, True, 1.5, None, "a")
    shape = tuple(rng.choice(sizes) for _ in range(rng.choice((0, 1, 2, 3, 70))))
    descr = rng.choice(
        (*DTYPES, "<f9", "", 3, None, [("a", "<f4")], ("<f4", (2**30,)), [["a"]], "<f4, 9", "<U1000000000")
    )
    header = repr({"descr": descr, "fortran_order": rng.choice((False, True, 0, "no")), "shape": shape})
    header = rng.choice(
        (header, header, header, "(" * 900, "[" * 9000, "-" * 9000, "{}", "1if 1else 0", header[:-9])
    )
    version, width = rng.choice(((b"\1\0", 2), (b"\1\0", 2), (b"\2\0", 4), (b"\3\0", 4), (b"\4\0", 4)))
    length = rng.choice((len(header), len(header), 0, 256**width - 1))
    member = b"\x93NUMPY" + version + length.to_bytes(width, "little") + header.encode() + rng.randbytes(48)
    return npy_member(member, rng)


def npz_directory(content, rng):
    """A field of the archive's own directory, or of a member's header, overwritten."""
    signature = rng.choice((b"PK\1\2", b"PK\1\2", b"PK\3\4", b"PK\5\6"))
    start = content.find(signature) + 4 + 2 * rng.randrange(20)
    width = rng.choice((2, 4))
    number = rng.choice((*EXTREMES, 8, 9, 12, 14, 93, 99)) % 256**width
    return content[:start] + number.to_bytes(width, "little") + content[start + width :]


def npz_raw(content, rng):
    """Files of other kinds: a plain array, an archive of bytes, a pickle, an array mutated before it is packed."""
    file = io.BytesIO()
    np.save(file, np.arange(6.0).reshape(3, 2))
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(GENERAL)(file.getvalue(), rng)
    if kind == 1:
        return npy_member(rng.randbytes(rng.randrange(40)), rng)
    if kind == 2:
        return b"\x80\x04" + rng.randbytes(20)
    return npy_member(rng.choice(GENERAL)(file.getvalue(), rng), rng)


def npz_truth(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays, np.errstate(all="ignore"):
        array = arrays["samples"]
        if array.dtype.kind not in "iuf":
            raise ValueError("no real numbers")
        return plain_array(array.astype(np.float32))


def reader(folder: Path) -> Reader:
    """The reader of samples, by way of one file of a folder."""
    path = folder / "samples.npz"

    def reads(content):
        path.write_bytes(content)
        return plain_array(cli._examples(path))

    rng = np.random.default_rng(0)
    samples = {"samples": rng.normal(size=(6, 2, 2)).astype(np.float32), "labels": np.arange(6)}
    seeds = npz(samples), npz(samples, compressed=True), npz({"samples": np.arange(12).reshape(6, 2)})
    return Reader(reads, npz_truth, seeds, (npz_dtype, npz_header, npz_directory, npz_raw))
