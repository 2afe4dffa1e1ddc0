"""The directory beside the database: for its locks, bells and ballast, with the database's owner and mode."""

from __future__ import annotations

import contextlib
import os
import stat


class Directory:
    """The directory of `database`. Whoever may write the one may use the other; nobody else."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.path = f"{database}-oakum"

    def make(self) -> None:
        """Makes it, if it is not there. The database must be."""
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            return
        writers = os.stat(self._database).st_mode & 0o222
        self._give(self.path, writers << 1 | writers | writers >> 1)

    def file(self, name: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.path, name)

    def open(self, name: str) -> int:
        """A descriptor of a file in it, which is made where it is missing."""
        path = self.file(name)
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self.make()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.share(name)
            return fd

    def open_fifo(self, name: str) -> int:
        """A descriptor, which never blocks, of both ends of a named pipe in it."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.file(name), 0o600)
            self.share(name)
        return os.open(self.file(name), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def share(self, name: str) -> None:
        """Lets those use a file in it who may use the database."""
        self._give(self.file(name), stat.S_IMODE(os.stat(self._database).st_mode) & 0o666)

    def _give(self, path: str, mode: int) -> None:
        os.chmod(path, mode)
        if os.geteuid() == 0:  # what root makes must not lock a service out
            owner = os.stat(self._database)
            os.chown(path, owner.st_uid, owner.st_gid)
