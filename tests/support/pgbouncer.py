"""PgBouncer in transaction mode, in front of the PostgreSQL server of the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

PATIENCE_S = 30.0
SETTINGS = """
[databases]
{database} = host={host} port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
logfile = {path}/log
"""


class PgBouncer:
    """A pooler with a port and a directory of its own, which the user nobody can enter. Use as a context manager."""

    def __init__(self, path: Path, server: str) -> None:
        self._path, self._server = path, urlsplit(server)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def url(self, direct: str) -> str:
        """The same database through the pooler."""
        parts = urlsplit(direct)
        return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{self.port}"))

    def __enter__(self) -> Self:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "no pgbouncer here: script/servers installs it"
        server = self._server
        text = SETTINGS.format(
            database=server.path.strip("/"), host=server.hostname, server_port=server.port, user=server.username,
            port=self.port, path=self._path,
        )  # fmt: skip
        (self._path / "pgbouncer.ini").write_text(text)
        nobody: list[str] = []
        if os.getuid() == 0:  # it does not serve as root
            shutil.chown(self._path, "nobody")
            nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        self._process = subprocess.Popen(
            [*nobody, program, "--quiet", str(self._path / "pgbouncer.ini")], cwd="/", stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
                return self
            except OSError:
                assert time.monotonic() < deadline and self._process.poll() is None, (self._path / "log").read_text()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)
