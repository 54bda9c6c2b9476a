"""Files of data sets: downloads that fail in every way, sums, the IDX format, and where files are looked for."""

import gzip
import hashlib
import http.server
import os
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from genjax.data import DataError, fashion_mnist, files, mnist
from genjax.data.files import SourceFile, cache_folder, data_folder, download, locate, read, read_idx

CONTENT = bytes(range(256)) * 5000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """A server whose paths name their fault."""

    def do_GET(self):
        body = gzip.compress(CONTENT) if self.path.endswith(".gz") else CONTENT
        if self.path.startswith("/absent"):
            self.send_error(404)
            return
        if self.path.startswith("/wrong"):
            body = b"<html>please log in</html>"
        self.send_response(200)
        if not self.path.startswith("/unannounced"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path.startswith(("/truncated", "/stalled")):
            body = body[: len(body) // 2]
        self.wfile.write(body)
        if self.path.startswith("/stalled"):
            self.wfile.flush()
            self.server.release.wait(10)

    def log_message(self, *args):
        pass


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.release = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_folders(monkeypatch, tmp_path):
    """No test meets or writes the user's own files."""
    monkeypatch.delenv("GENJAX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("name", ["good", "good.gz", "unannounced"])
def test_a_good_download_arrives_whole_and_alone(name, address, tmp_path):
    path = tmp_path / "new" / "folder" / name
    download(f"{address}/{name}", path, sha256=SUM)
    assert [p.name for p in path.parent.iterdir()] == [name]
    assert read(path, sha256=SUM) == CONTENT
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask():
    current = os.umask(0)
    os.umask(current)
    return current


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("truncated", f"broke off: expected {len(CONTENT)} bytes, got {len(CONTENT) // 2}. Try again"),
        ("truncated.gz", "broke off: expected"),
        ("stalled", "stalled: no byte in 0.3 s. Try again"),
        ("wrong", f"has the wrong content: expected SHA-256 {SUM}, got"),
        ("wrong.gz", "is damaged and cannot be unpacked"),
        ("absent", "answered 404 Not Found. Check the address"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing(name, message, address, tmp_path):
    path = tmp_path / "folder" / name
    with pytest.raises(DataError) as caught:
        download(f"{address}/{name}", path, sha256=SUM, timeout=0.3 if name == "stalled" else 30.0)
    assert str(caught.value).startswith(f"{address}/{name} {message}")
    assert f"put the file at {path} by hand" in str(caught.value)
    assert list(path.parent.iterdir()) == []


def test_no_network_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match=r"cannot be reached \(.*refused\)\. Check the network"):
        download(f"http://127.0.0.1:{free_port()}/good", tmp_path / "folder" / "good", sha256=SUM)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_failed_download_keeps_the_file_that_was_there(address, tmp_path):
    path = tmp_path / "truncated"
    path.write_bytes(b"older")
    with pytest.raises(DataError):
        download(f"{address}/truncated", path, sha256=SUM)
    assert [p.name for p in tmp_path.iterdir()] == ["truncated"]
    assert path.read_bytes() == b"older"


def test_an_interrupt_leaves_nothing(address, tmp_path, monkeypatch):
    def interrupted(response, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(f"{address}/good", tmp_path / "folder" / "good", sha256=SUM)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(address, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written .* Set GENJAX_DATA to a folder you may write"):
        download(f"{address}/good", tmp_path / "file" / "good", sha256=SUM)


def test_a_damaged_file_is_refused_by_name(tmp_path):
    flipped = tmp_path / "flipped"
    flipped.write_bytes(b"\xff" + CONTENT[1:])
    found = hashlib.sha256(flipped.read_bytes()).hexdigest()
    with pytest.raises(
        DataError, match=f"{flipped} has the wrong content: expected SHA-256 {SUM}, got {found}"
    ):
        read(flipped, sha256=SUM)
    for name, content in {
        "short.gz": gzip.compress(CONTENT)[:-100],
        "plain.gz": CONTENT,
        "no.gz": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.*(damaged|wrong content).*Delete .* download=True"):
            read(tmp_path / name, sha256=SUM)
    with pytest.raises(DataError, match=r"cannot be read"):
        read(tmp_path / "absent", sha256=SUM)


def test_files_are_looked_for_where_genjax_data_points_else_in_the_cache(monkeypatch, tmp_path):
    assert data_folder() == cache_folder() == tmp_path / "cache" / "genjax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "genjax"
    monkeypatch.setenv("GENJAX_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    source = SourceFile("http://127.0.0.1:1/good.gz", SUM)
    (tmp_path / "set").mkdir()
    packed, plain = tmp_path / "set" / "good.gz", tmp_path / "set" / "good"
    packed.write_bytes(gzip.compress(CONTENT, compresslevel=1))
    assert locate("set", (source,), fetch=True) == [packed]
    plain.write_bytes(CONTENT)
    assert locate("set", (source,), fetch=False) == [plain]
    assert read(plain, sha256=SUM) == read(packed, sha256=SUM)


@pytest.mark.parametrize("load", [mnist, fashion_mnist])
def test_missing_files_name_the_folder_and_both_remedies(load, monkeypatch, tmp_path):
    name = load.__name__
    with pytest.raises(DataError) as caught:
        load()
    assert f"{name} is not in {tmp_path / 'cache' / 'genjax' / name}: missing train-images" in str(
        caught.value
    )
    monkeypatch.setenv("GENJAX_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError) as caught:
        load()
    assert str(tmp_path / "mine" / name) in str(caught.value)
    assert f"GENJAX_DATA to a folder that holds {name}/" in str(caught.value)
    assert "download=True" in str(caught.value)
    assert not (tmp_path / "mine").exists()


def test_only_what_is_missing_is_fetched(address, tmp_path):
    here = SourceFile(f"{address}/absent", SUM)
    there = SourceFile(f"{address}/good.gz", SUM)
    folder = cache_folder() / "set"
    folder.mkdir(parents=True)
    (folder / "absent").write_bytes(CONTENT)
    assert locate("set", (here, there), fetch=True) == [folder / "absent", folder / "good.gz"]
    assert read(folder / "good.gz", sha256=SUM) == CONTENT


def idx(code, shape, values):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_every_idx_type_is_read(code, dtype):
    values = np.array([[0, 1, 2], [3, 100, 127]], dtype)
    array = read_idx(idx(code, (2, 3), values.tobytes()))
    np.testing.assert_array_equal(array, values)
    assert array.dtype == values.dtype.newbyteorder("=")
    assert array.dtype.isnative


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x1f\x8b\x08\x00rest", "expected it to begin with bytes 00 00, got '1f 8b 08 00'"),
        (idx(10, (1,), b"1"), r"unknown IDX type: expected one of \[8, 9, 11, 12, 13, 14\], got 10"),
        (idx(8, (2, 3), b"")[:-1], "truncated IDX header: expected 12 bytes, got 11"),
        (idx(8, (2, 3), b"12345"), r"truncated IDX file: expected 18 bytes for shape \(2, 3\), got 17"),
        (idx(8, (2, 3), b"1234567"), r"oversized IDX file: expected 18 bytes for shape \(2, 3\), got 19"),
        (idx(14, (2**32 - 1,) * 3, b""), "truncated IDX file: expected"),
    ],
)
def test_idx_faults_quote_both_sides(content, message):
    with pytest.raises(DataError, match=message):
        read_idx(content)


@pytest.mark.parametrize("name", ["bomb", "bomb.gz"])
def test_a_file_is_read_up_to_a_bound(name, tmp_path, monkeypatch):
    """A few packed megabytes can hide gigabytes."""
    monkeypatch.setattr(files, "MOST_BYTES", len(CONTENT) - 1)
    (tmp_path / name).write_bytes(gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT)
    with pytest.raises(DataError, match=r"bomb.* holds more than .* Delete .* and load again"):
        read(tmp_path / name, sha256=SUM)
