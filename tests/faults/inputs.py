"""Damaged and hostile files, by the thousand: each refused in one line, or read as NumPy reads the same bytes.

`python -m tests.faults.inputs --num 100000` tries every reader of files. An input is known by its reader, seed and
number, which a failure names: `python -m tests.faults.inputs --reader idx --seed 0 --only 17` tries it again.
"""

import argparse
import contextlib
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from genjax.faults import Fault
from tests.faults import config_files, mnist_files, sample_files
from tests.faults.mutations import GENERAL, Reader

SECONDS = 5.0
MOST_VIRTUAL, MOST_RESIDENT = 4 << 30, 512 << 20
"""Bytes above those at the start that may be asked for, and that may be filled."""


class Failure(AssertionError):
    """An input that was neither refused in one line nor read as NumPy reads it."""


class Hang(BaseException):
    """A reader took too long; no `except Exception` may swallow it."""


class Counts(NamedTuple):
    refused: int
    read: int
    seconds: float


@contextlib.contextmanager
def readers():
    """The readers by name, with seeds that every one of them reads."""
    with tempfile.TemporaryDirectory() as folder:
        yield {
            "idx": mnist_files.IDX,
            "amat": mnist_files.AMAT,
            "samples": sample_files.reader(Path(folder)),
            "config": config_files.reader(Path(folder)),
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
