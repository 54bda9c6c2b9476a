"""Mutated files of MNIST: images and labels in IDX form, and bits as text."""

import io
import math
import struct
import warnings

import numpy as np

from genjax.data.files import IDX_DTYPES, read_idx
from genjax.data.mnist import _parse_bits
from tests.faults.mutations import Reader, plain_array


def idx(code, shape, values):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def idx_header(content, rng):
    """A header of any type, any number of axes and extreme sizes, and often as many values as it announces."""
    code = rng.choice((*IDX_DTYPES, rng.randrange(256)))
    sizes = rng.choice(((1,), (1, 2), (0, 1, 2), (0, 1, 3, 2**16, 2**31, 2**32 - 1)))
    shape = [rng.choice(sizes) for _ in range(rng.choice((0, 1, 2, 3, 33, 65, 255)))]
    expected = math.prod(shape) * np.dtype(IDX_DTYPES.get(code, "u1")).itemsize
    values = rng.randbytes(expected if expected < 4096 and rng.random() < 0.9 else rng.randrange(64))
    return idx(code, shape, values)


def idx_truth(content):
    code, num_axes = content[2:4]
    shape = np.frombuffer(content, ">u4", num_axes, 4)
    values = np.frombuffer(content, IDX_DTYPES[code], offset=4 + 4 * num_axes)
    return plain_array(values.reshape([int(n) for n in shape]))


AMAT_WORDS = (
    *b"2 9 00 01 -1 1.0 0x1 1e0 +1 nan # , 0#1 \xff".split(),
    b"",
    *(b"%c" % c for c in b"\0\v\r\n\t "),
)


def amat_word(content, rng):
    """One of the words replaced."""
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(AMAT_WORDS)
    return rng.choice((b" ", b" ", b" ", b"\n", b"\t", b"", b"  ")).join(words)


def amat_rows(content, rng):
    """Rows lost, doubled, cut and apart by other ends of a line."""
    rows = content.splitlines()
    rows = [rng.choice(rows)[: rng.choice((None, None, -2, -1, 0, 2))] for _ in range(rng.randrange(4))]
    return rng.choice((b"\n", b"\r\n", b"\r", b"\n\n", b"\x0b", b"\x85", b" ")).join(rows)


def amat_truth(content):
    text = content.decode("latin-1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file without data
        values = np.loadtxt(io.StringIO(text, newline=None), comments=None, ndmin=2)
    if values.size and not np.isin(values, (0, 1)).all():
        raise ValueError("no bits")
    return plain_array(values.astype(np.uint8).ravel())


rng = np.random.default_rng(0)
arrays = [rng.integers(0, 99, (3, 2, 2)).astype(dtype) for dtype in IDX_DTYPES.values()]
bits = [rng.integers(0, 2, (n, 784)) for n in (1, 2)]
IDX = Reader(
    lambda content: plain_array(read_idx(content)),
    idx_truth,
    tuple(idx(c, a.shape, a.tobytes()) for c, a in zip(IDX_DTYPES, arrays, strict=True)),
    (idx_header,),
)
AMAT = Reader(
    lambda content: plain_array(_parse_bits(content)),
    amat_truth,
    tuple(b"".join(b" ".join(b"%d" % v for v in row) + b" \n" for row in r) for r in bits),
    (amat_word, amat_rows),
)
