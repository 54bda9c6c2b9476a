"""Files of published data sets: where they lie, how they are fetched, and the proof that they are the right ones."""

import contextlib
import gzip
import hashlib
import http.client
import math
import os
import struct
import urllib.error
import urllib.request
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genjax.faults import DataError

__all__ = ["SourceFile", "cache_folder", "data_folder", "download", "locate", "read", "read_idx"]

IDX_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
CHUNK_BYTES = 1 << 20
MOST_BYTES = 256 << 20
"""What a file may hold unpacked, three times the largest: a few packed megabytes can hide gigabytes."""


@dataclass(frozen=True)
class SourceFile:
    """One published file of a data set.

    Args:
        url: where it is published; a name that ends in .gz is packed.
        sha256: of the uncompressed content, in hexadecimal: a file packed anew is as good.

    >>> SourceFile("https://example.org/train.gz", sha256="0" * 64).name
    'train'
    """

    url: str
    sha256: str

    @property
    def published_name(self) -> str:
        """The file's name as published."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        """The file's name when it is not packed."""
        return self.published_name.removesuffix(".gz")


def cache_folder() -> Path:
    """The folder for what the library may write: $XDG_CACHE_HOME/genjax, by default ~/.cache/genjax."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genjax"


def data_folder() -> Path:
    """The folder that holds one folder per data set: $GENJAX_DATA, which the user may set, else the cache folder."""
    named = os.environ.get("GENJAX_DATA")
    return Path(named) if named else cache_folder()


def locate(dataset: str, sources: tuple[SourceFile, ...], *, fetch: bool) -> list[Path]:
    """Find the files of a data set, plain or packed.

    Args:
        dataset: the name of its folder in `data_folder()`.
        sources: its files.
        fetch: whether to download the files that are missing into that folder.

    Returns:
        A path for each source.

    Raises:
        DataError: files are missing and `fetch` is False, or a download failed.
    """
    folder = data_folder() / dataset
    missing = [source for source in sources if _present(folder, source) is None]
    if missing and not fetch:
        names = ", ".join(source.name for source in missing)
        raise DataError(
            f"{dataset} is not in {folder}: missing {names} (plain or .gz). Set the environment variable "
            f"GENJAX_DATA to a folder that holds {dataset}/ with these files, or fetch them with download=True "
            f"(--download on a command line)"
        )
    for source in missing:
        download(source.url, folder / source.published_name, sha256=source.sha256)
    return [_present(folder, source) or folder / source.published_name for source in sources]


def read(path: Path, *, sha256: str) -> bytes:
    """Read a file, plain or packed by gzip (.gz), and prove that its content is the expected one.

    Args:
        path: of the file.
        sha256: of the uncompressed content, in hexadecimal.

    Returns:
        The uncompressed content.

    Raises:
        DataError: the content differs, or cannot be unpacked or read.
    """
    again = "load again with download=True (--download on a command line)"
    remedy = f"Delete {path} and {again}, or put the published file there"
    return _proven(path, sha256, called=str(path), remedy=remedy)


def download(url: str, path: Path, *, sha256: str, timeout: float = 30.0) -> None:
    """Fetch a file; it appears under its name only when it is whole and proven, and a failure leaves nothing.

    Args:
        url: where the file is published.
        path: where it goes; a name that ends in .gz is packed.
        sha256: of the uncompressed content, in hexadecimal.
        timeout: seconds without a byte before the server counts as stalled.

    Raises:
        DataError: no network, an HTTP error, a stall, a truncated or a wrong content, or a folder that cannot be
            written.
    """
    by_hand = f"or put the file at {path} by hand"
    # Beside its goal, so that the move is atomic; the suffix stays, which says whether it is packed.
    temporary = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=timeout) as response:
            expected, received = _stream(response, temporary)
        if expected is not None and received != expected:
            raise DataError(
                f"{url} broke off: expected {expected} bytes, got {received}. Try again, {by_hand}"
            )
        _proven(temporary, sha256, called=url, remedy=f"Try again on another network, {by_hand}")
        os.replace(temporary, path)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(
            f"{url} answered {error.code} {error.reason}. Check the address in a browser, {by_hand}"
        ) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise DataError(f"{url} stalled: no byte in {timeout:g} s. Try again, {by_hand}") from error
        raise DataError(f"{url} cannot be reached ({reason}). Check the network, {by_hand}") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error}). Set GENJAX_DATA to a folder you may write, {by_hand}"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # moved, or never made
            temporary.unlink()


def read_idx(content: bytes) -> np.ndarray:
    """Parse the IDX format: two zero bytes, the type, the number of axes, big-endian sizes, then the values.

    Args:
        content: a whole file, unpacked.

    Returns:
        The array, in the machine's byte order.

    Raises:
        DataError: a wrong magic number, an unknown type, a shape that NumPy cannot hold, or a length that is not what
            the header says.

    Source: LeCun, Cortes and Burges, the page of MNIST.

    >>> print(read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7])))
    [5 7]
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"not an IDX file: expected it to begin with bytes 00 00, got {content[:4].hex(' ')!r}"
        )
    code, num_axes = content[2], content[3]
    if code not in IDX_DTYPES:
        raise DataError(f"unknown IDX type: expected one of {sorted(IDX_DTYPES)}, got {code}")
    header = 4 + 4 * num_axes
    if len(content) < header:
        raise DataError(f"truncated IDX header: expected {header} bytes, got {len(content)}")
    shape = struct.unpack(f">{num_axes}I", content[4:header])
    dtype = np.dtype(IDX_DTYPES[code])
    expected = header + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "oversized"
        raise DataError(f"{fault} IDX file: expected {expected} bytes for shape {shape}, got {len(content)}")
    try:
        array = np.frombuffer(content, dtype, offset=header).reshape(shape)
    except ValueError as error:  # axes without an example, whose product is small
        raise DataError(f"IDX shape {shape} is beyond what NumPy holds: {error}") from error
    return array.astype(dtype.newbyteorder("="))


def _proven(path: Path, sha256: str, *, called: str, remedy: str) -> bytes:
    """The uncompressed content of a file, of the expected sum."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{called} is damaged and cannot be unpacked ({error}). {remedy}") from error
    except OSError as error:
        raise DataError(f"{called} cannot be read ({error}). {remedy}") from error
    if len(content) > MOST_BYTES:
        raise DataError(
            f"{called} holds more than {MOST_BYTES >> 20} MiB, more than any of its kind. {remedy}"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(f"{called} has the wrong content: expected SHA-256 {sha256}, got {found}. {remedy}")
    return content


def _present(folder: Path, source: SourceFile) -> Path | None:
    """The file of a source, plain or packed, if it is there."""
    candidates = (folder / source.name, folder / f"{source.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _stream(response: http.client.HTTPResponse, path: Path) -> tuple[int | None, int]:
    """Write a response to a new file; the announced and the received number of bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    length = response.headers.get("Content-Length")
    expected = int(length) if length is not None else None
    received = 0
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        path.open("xb") as file,
    ):
        bar = progress.add_task(response.url.rsplit("/", 1)[-1], total=expected)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            progress.update(bar, completed=received)
    return expected, received
