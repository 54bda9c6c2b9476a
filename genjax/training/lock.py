"""One writer per run folder."""

import datetime
import fcntl
import os
import platform
import shlex
import sys
import weakref
from pathlib import Path

from genjax.faults import RunError

__all__ = ["NAME", "Lock"]

NAME = ".lock"
_held: "weakref.WeakValueDictionary[Path, Lock]" = weakref.WeakValueDictionary()


class Lock:
    """The right to write into a folder, held until nothing refers to it or the process ends, however it ends.

    The system holds it on an open file (`flock`), so that a dead process leaves none behind. On network file systems
    it holds between machines where their lock service runs (NFS since Linux 2.6.12), else on one machine alone.
    """

    def __init__(self, folder: Path, file: int):
        self.folder = folder
        weakref.finalize(self, os.close, file)

    @classmethod
    def acquire(cls, folder: Path) -> "Lock":
        """Lock a folder that exists; a process that holds the lock already shares it with itself.

        Raises:
            RunError: another process holds it; the message says which.
        """
        folder = folder.resolve()
        if folder in _held:
            return _held[folder]
        path = folder / NAME
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                    break
                os.close(file)  # its last holder removed the file in the meantime
            except BlockingIOError as error:
                holder = os.read(file, 1000).decode(errors="replace").strip()
                os.close(file)
                raise RunError(
                    f"{folder} is in use by {holder or 'another process'}; wait for its end or choose another --out"
                ) from error
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        command = shlex.join(sys.argv)
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()} since {since} ({command})\n".encode())
        _held[folder] = lock = cls(folder, file)
        return lock
