"""Stores of the tests' own on the PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg

from oakum.store.postgres.store import PostgresStore


@contextmanager
def new_schema(server: str) -> Iterator[str]:
    """The URL of a store in a schema of its own, dropped at the end."""
    schema = f"test_{uuid4().hex}"
    url = f"{server}?schema={schema}"
    with closing(PostgresStore(url)) as store:
        store.counts()
    yield url
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


def make_empty(url: str) -> None:
    """Leaves the tables and takes what is in them, which is much faster than a schema for each test."""
    server, _, schema = url.partition("?schema=")
    with psycopg.connect(server, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
        used = [table for (table,) in tables if table not in ("schema", "name")]
        statements = [f'DELETE FROM "{schema}"."{table}"' for table in used]
        statements.append(f'ALTER TABLE "{schema}".holder ALTER number RESTART')
        connection.execute(";".join(statements))


class PostgresServer:
    """A server with a port and a directory of its own. Use as a context manager; it may be killed and started again."""

    def __init__(self, path: Path, *options: str) -> None:
        self._data, self._log, self._options = path / "data", path / "log", options
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        self._bin = programs[-1].parent if programs else Path(shutil.which("initdb") or "initdb").parent
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"postgresql://oakum@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._data.parent.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self._data.parent, "nobody")
        self._run("initdb", "--pgdata", str(self._data), "--username", "oakum", "--auth", "trust", "--encoding", "UTF8")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")

    @property
    def log(self) -> str:
        """What the server said."""
        return self._log.read_text()

    def start(self, *more: str) -> None:
        """With `more` settings, as "name=value"."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += " -c wal_level=logical -c max_prepared_transactions=4"  # so that slots and prepared ones can be made
        options += "".join(f" -c {each}" for each in more)
        self._control("start", "--log", str(self._log), "--options", " ".join((options, *self._options)))

    def stop(self, mode: str) -> None:
        """`fast` cuts all connections, `immediate` is a crash."""
        self._control("stop", "--mode", mode)

    def cut(self) -> int:
        """Ends all connections but this one's; how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        return len(ended)

    def _control(self, verb: str, *more: str) -> None:
        self._run("pg_ctl", verb, "--wait", "--pgdata", str(self._data), *more)

    def _run(self, program: str, *words: str) -> None:
        nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.getuid() == 0 else []
        subprocess.run(
            [*nobody, str(self._bin / program), *words], cwd="/", check=True, timeout=60, stdout=subprocess.DEVNULL
        )
