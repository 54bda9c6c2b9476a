"""Damaged and hostile files, by the thousand: each refused in one line, or read as NumPy reads the same bytes.

`python -m tests.faults.inputs --num 100000` tries every reader of files. An input is known by its reader, seed and
number, which a failure names: `python -m tests.faults.inputs --reader idx --seed 0 --only 17` tries it again.
"""

import argparse
import contextlib
import copy
import dataclasses
import importlib
import io
import json
import math
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax import cli
from genjax.data.dataset import Spec
from genjax.data.files import IDX_DTYPES, read_idx
from genjax.data.mnist import _parse_bits
from genjax.faults import Fault
from genjax.recipes.from_run import _configured
from genjax.training.run import RunFolder, _plain

SECONDS = 5.0
MOST_VIRTUAL, MOST_RESIDENT = 4 << 30, 512 << 20
"""Bytes above those at the start that may be asked for, and that may be filled."""

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


class Failure(AssertionError):
    """An input that was neither refused in one line nor read as NumPy reads it."""


class Hang(BaseException):
    """A reader took too long; no `except Exception` may swallow it."""


class Counts(NamedTuple):
    refused: int
    read: int
    seconds: float


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


def plain_array(array):
    """An array in a form whose equality is that of every bit, whatever its order of bytes."""
    native = array.astype(array.dtype.newbyteorder("="))
    return native.dtype.str, native.shape, native.tobytes()


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


HOSTILE = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    1.5,
    -0.0,
    1e308,
    10**400,
    2**63,
    "",
    "a\nb",
    "\ud800",
    "\0",
    "../..",
    [],
    {},
)
HOSTILE += (
    [1, 2],
    [[]],
    ["a"],
    {"a": 1},
    float("nan"),
    float("inf"),
    "9" * 50,
    [3] * 1000,
    "x" * 9999,
    [None],
    [True],
)


def nested(rng):
    """A list, or an object, as deep as what Python can read, and some deeper."""
    depth = rng.choice((10, 300, 900, 980, rng.randrange(800, 1000), 3000))
    return rng.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth))


def places(content):
    """Every object and list of a JSON value with each of its keys."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(pairs):
        yield content, key
        if isinstance(value, dict | list):
            yield from places(value)


def config_value(content, rng):
    """A field replaced, removed, renamed or added."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2))):
        holder, key = rng.choice(list(places(value)))
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice(("x", "a\nb", "\ud800", "__class__", "self", ""))] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return json.dumps(value).encode("utf-8", "surrogatepass")


def config_text(content, rng):
    """A value replaced in the text itself, by what no value of Python writes."""
    value = json.loads(content)
    holder, key = rng.choice(list(places(value)))
    holder[key] = "HERE"
    words = (
        "1" * 5000,
        "-",
        "1e999",
        "1E-999",
        "0x1",
        "tru",
        "'a'",
        "[1,]",
        '"\\u12"',
        "\u0663",
        "//",
        "1 2",
        '"\x01"',
    )
    text = rng.choice((nested(rng), nested(rng), *words))
    return json.dumps(value).replace('"HERE"', text).encode()


def config_family(content, rng):
    """The configuration of one family under the name of another, and other encodings."""
    if rng.random() < 0.5:
        return content.decode().encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
    value = json.loads(content)
    value["family"] = rng.choice(("vae", "flow", "gan", "from_run", "denoiser", "..run", "os", "VAE", "vae "))
    return json.dumps(value).encode()


def config_seeds():
    for family, data in (
        ("vae", Spec("digits", (8, 8), 17, 10)),
        ("diffusion", Spec("ring", (2,))),
        ("flow", Spec("circle", (2,))),
        ("gan", Spec("mnist", (28, 28), 256, 10)),
    ):
        content = {
            "id": "0123456789abcdef",
            "family": family,
            "config": dataclasses.asdict(importlib.import_module(f"genjax.recipes.{family}").Config()),
            "data": data._asdict(),
            "provenance": {"data": {"train": "00"}, "versions": {"jax": "0"}, "settings": {}, "x64": False},
        }
        yield json.dumps(_plain(content)).encode()


def config_truth(content):
    known = json.loads(content.decode("utf-8"))
    for name in {"out", "classifier", "reflow"} & known["config"].keys():
        if known["config"][name] is not None:
            known["config"][name] = str(Path(known["config"][name]))
    return json.dumps([known[name] for name in ("family", "config", "data")], sort_keys=True)


class Files:
    """Readers of paths as readers of bytes, by way of one file of a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def samples(self, content: bytes) -> Any:
        path = self.folder / "samples.npz"
        path.write_bytes(content)
        return plain_array(cli._examples(path))

    def config(self, content: bytes) -> Any:
        (self.folder / "config.json").write_bytes(content)
        recipe, config, data = _configured(RunFolder(self.folder))
        values = _plain([recipe.__name__.rsplit(".", 1)[1], dataclasses.asdict(config), data._asdict()])
        return json.dumps(values, sort_keys=True)


@contextlib.contextmanager
def readers():
    """The readers by name, with seeds that every one of them reads."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 99, (3, 2, 2)).astype(dtype) for dtype in IDX_DTYPES.values()]
    bits = [rng.integers(0, 2, (n, 784)) for n in (1, 2)]
    samples = {"samples": rng.normal(size=(6, 2, 2)).astype(np.float32), "labels": np.arange(6)}
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        yield {
            "idx": Reader(
                lambda content: plain_array(read_idx(content)),
                idx_truth,
                tuple(idx(c, a.shape, a.tobytes()) for c, a in zip(IDX_DTYPES, arrays, strict=True)),
                (idx_header, idx_header, idx_header),
            ),
            "amat": Reader(
                lambda content: plain_array(_parse_bits(content)),
                amat_truth,
                tuple(b"".join(b" ".join(b"%d" % v for v in row) + b" \n" for row in r) for r in bits),
                (amat_word, amat_rows, amat_word, amat_rows),
            ),
            "samples": Reader(
                files.samples,
                npz_truth,
                (npz(samples), npz(samples, compressed=True), npz({"samples": np.arange(12).reshape(6, 2)})),
                (npz_dtype, npz_header, npz_directory, npz_raw),
            ),
            "config": Reader(
                files.config,
                config_truth,
                tuple(config_seeds()),
                (config_value, config_value, config_text, config_family),
            ),
        }


NAMES = ("idx", "amat", "samples", "config")


def made(name: str, reader: Reader, seed: int, number: int) -> bytes:
    """The input of this number: one mutation of a content that is read, or a few."""
    rng = random.Random(f"{name} {seed} {number}")
    content = rng.choice(reader.seeds)
    content = rng.choice(reader.special if rng.random() < 0.6 else GENERAL)(content, rng)
    return rng.choice(GENERAL)(content, rng) if rng.random() < 0.15 else content


def read(reader: Reader, content: bytes) -> bool:
    """Whether an input is read, as NumPy reads it; False where it is refused; else `Failure`."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        value = reader.read(content)
    except Fault as fault:
        if len(str(fault).splitlines()) != 1:
            raise Failure(f"refused in other than one line: {fault}") from fault
        return False
    except Hang as hang:
        raise Failure(f"no answer in {SECONDS:g} s") from hang
    except BaseException as error:
        raise Failure(f"{type(error).__name__}: {error}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        expected = reader.truth(content)
    except Exception as error:
        raise Failure(f"read, where NumPy refuses: {type(error).__name__}: {error}") from error
    if value != expected:
        raise Failure(f"read as {value!s:.200}, where NumPy reads {expected!s:.200}")
    return True


@contextlib.contextmanager
def bounded():
    """An alarm, and a bound on memory, for whatever runs inside."""

    def ring(number, frame):
        raise Hang

    before, limits = signal.signal(signal.SIGALRM, ring), resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        virtual = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (virtual + MOST_VIRTUAL, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)


def resident() -> int:
    """The most memory that was ever filled, in bytes."""
    return (1 if sys.platform == "darwin" else 1024) * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def mutated(reader_name: str, num: int, seed: int = 0, *, first: int = 0) -> Counts:
    """Try inputs `first` to `first + num` of a reader; a `Failure` names the one that breaks the demand."""
    start, refused = time.perf_counter(), 0
    with readers() as known, bounded(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        reader = known[reader_name]
        for content in reader.seeds:
            assert read(reader, content)
        filled = resident()
        for number in range(first, first + num):
            content = made(reader_name, reader, seed, number)
            said.clear()
            try:
                refused += not read(reader, content)
                if said:
                    raise Failure(f"a warning besides: {said[0].message}")
                if resident() > filled + MOST_RESIDENT:
                    raise Failure(f"more than {MOST_RESIDENT >> 20} MiB were filled")
            except Failure as failure:
                where = f"{reader_name}, seed {seed}, number {number}"
                raise Failure(f"{where}: {failure}\n{content[:300]!r}") from failure
    return Counts(refused, num - refused, time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num", type=int, default=4000, help="inputs of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=NAMES, help="this one alone")
    parser.add_argument("--only", type=int, help="the input of this number alone")
    asked = parser.parse_args()
    names = (asked.reader,) if asked.reader else NAMES
    each = 1 if asked.only is not None else -(-asked.num // len(names))
    print(f"{'reader':10}{'inputs':>10}{'refused':>10}{'read':>10}{'seconds':>10}", flush=True)
    for name in names:
        counts = mutated(name, each, asked.seed, first=asked.only or 0)
        print(f"{name:10}{each:10,}{counts.refused:10,}{counts.read:10,}{counts.seconds:10.1f}", flush=True)
    print(f"{each * len(names):,} mutated inputs: all refused, or read as NumPy reads them")


if __name__ == "__main__":
    main()
