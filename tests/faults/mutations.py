"""Mutations of any file, and what a reader of files is to the tests that use them."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

EXTREMES = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)


class Reader(NamedTuple):
    """One reader of files.

    Args:
        read: the library's: bytes to a value that can be compared, or a `Fault`.
        truth: the same value by NumPy or json alone.
        seeds: contents that are read.
        special: mutations that know the format: (content, rng) to bytes.
    """

    read: Callable[[bytes], Any]
    truth: Callable[[bytes], Any]
    seeds: tuple[bytes, ...]
    special: tuple[Callable[[bytes, random.Random], bytes], ...]


def plain_array(array):
    """An array in a form whose equality is that of every bit, whatever its order of bytes."""
    native = array.astype(array.dtype.newbyteorder("="))
    return native.dtype.str, native.shape, native.tobytes()


def flip(content, rng):
    bits = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8)) if bits else 0):
        bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
    return bytes(bits)


def truncate(content, rng):
    return content[: rng.randrange(len(content) + 1)]


def extend(content, rng):
    more = rng.choice((b"\0", b"\n", b" ", b"0", content[-7:], rng.randbytes(9)))
    return content + more * rng.choice((1, 2, 9, 1000))


def splice(content, rng):
    """Put a piece of the content in the place of another."""
    a, b, c, d = (rng.randrange(len(content) + 1) for _ in range(4))
    return content[: min(a, b)] + content[min(c, d) : max(c, d)] + content[max(a, b) :]


def extreme(content, rng):
    """Overwrite a few bytes with an extreme number of either order."""
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    number = (rng.choice(EXTREMES) % 256**width).to_bytes(width, order)
    at = rng.randrange(len(content) + 1)
    return content[:at] + number + content[at + width :]


GENERAL = (flip, truncate, extend, splice, extreme)
