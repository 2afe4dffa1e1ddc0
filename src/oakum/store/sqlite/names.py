"""Task and queue names as small numbers: a name stands once in the file, a row holds a byte."""

from __future__ import annotations

from collections.abc import Iterable

from oakum.store.sqlite.connection import Connection
from oakum.store.sqlite.database import Database


class Names:
    """Both directions of the `name` table, remembered. Names are few and never change.

    New names are committed before the transaction that uses them, so that what is remembered is always true.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._last = 0

    def forget(self) -> None:
        """Forgets them all: the file that is opened next may be another."""
        self._numbers.clear()
        self._texts.clear()
        self._last = 0

    def make(self, texts: Iterable[str]) -> None:
        """Gives a number to each name that has none yet. Not to be called inside a transaction."""
        new = sorted(set(texts) - self._numbers.keys())
        if not new:
            return
        with self._connection.write("NORMAL") as db:
            db.executemany("INSERT INTO name(text) VALUES(?) ON CONFLICT(text) DO NOTHING", [(text,) for text in new])
        with self._connection.read() as db:
            self._load(db)

    def number(self, text: str) -> int:
        """The number of a name that `make` has seen to."""
        return self._numbers[text]

    def find(self, db: Database, text: str) -> int | None:
        """The number of a name, None if nobody has used it."""
        if text not in self._numbers:
            self._load(db)
        return self._numbers.get(text)

    def text(self, db: Database, number: int) -> str:
        """The name of a number."""
        if number not in self._texts:
            self._load(db)
        return self._texts[number]

    def _load(self, db: Database) -> None:
        for number, text in db.execute("SELECT number, text FROM name WHERE number > ? ORDER BY number", (self._last,)):
            self._numbers[text] = self._last = number
            self._texts[number] = text
