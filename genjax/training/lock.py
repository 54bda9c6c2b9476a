"""One writer in a run folder: who holds it, and that nobody else does."""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import shlex
import sys
import time
import weakref
from pathlib import Path

from genjax.faults import UsageError, warn

__all__ = ["NAME", "Lock"]

NAME = ".lock"
SECONDS_TO_SAY_WHO = 1.0
_held: "weakref.WeakValueDictionary[Path, Lock]" = weakref.WeakValueDictionary()


class Lock:
    """The right to write into a folder, held until `release`, until nothing refers to it, or until the process ends.

    The system holds it on an open file (`flock`), so that a dead process, however it died, leaves none behind. On
    network file systems it holds between machines where their lock service runs (NFS since Linux 2.6.12), on others
    between the processes of one machine alone; where there are no locks at all, a warning says so.

    Args:
        path: of the lock file.
        file: its descriptor.
    """

    def __init__(self, path: Path, file: int):
        self._free = weakref.finalize(self, _free, path, file, os.getpid())
        self._path = path

    @classmethod
    def acquire(cls, folder: Path) -> "Lock":
        """Lock a folder that exists; a process that holds the lock already shares it with itself.

        Raises:
            UsageError: another process holds it; its number, machine, command and start are named.
            OSError: the folder cannot be written.
        """
        path = folder.resolve() / NAME
        if (mine := _held.get(path)) is not None:
            return mine
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(file)
                raise UsageError(
                    f"{folder} is in use by {_holder(path)}; wait for its end or choose another --out"
                ) from error
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    os.close(file)
                    raise
                warn(f"{folder} cannot be locked ({error.strerror}): let no other process write there")
            if _is_file(path, file):
                break
            os.close(file)  # its last holder removed the file in the meantime
        content = {
            "pid": os.getpid(),
            "host": platform.node(),
            "command": shlex.join(sys.argv),
            "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(content).encode(), 0)
        except OSError:  # a full disk
            os.close(file)
            raise
        _held[path] = lock = cls(path, file)
        return lock

    def release(self) -> None:
        """Let other processes write; a second time does nothing."""
        _held.pop(self._path, None)
        self._free()


def _holder(path: Path) -> str:
    """Who holds a lock, in words; a holder that has not said so yet is given a second."""
    until = time.monotonic() + SECONDS_TO_SAY_WHO
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            who = json.loads(path.read_text(encoding="utf-8"))
            if who["host"] != platform.node() or _alive(who["pid"]):  # else its predecessor's words
                return f"process {who['pid']} on {who['host']} ({who['command']}, since {who['since']})"
        time.sleep(0.02)
    return "another process, which does not say which"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _is_file(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _free(path: Path, file: int, owner: int) -> None:
    if os.getpid() == owner and _is_file(path, file):  # not by a fork of the owner
        with contextlib.suppress(OSError):
            path.unlink()
    os.close(file)
