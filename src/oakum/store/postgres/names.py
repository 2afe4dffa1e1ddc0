"""Task and queue names as numbers: a name stands once in the database, a row holds four bytes."""

from __future__ import annotations

from collections.abc import Iterable

from oakum.store.postgres.connection import Connection
from oakum.store.postgres.db import Db


class Names:
    """Both directions of the `name` table, remembered. Names never change.

    New names are committed before the transaction that uses them, so that what is remembered is always true.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened = 0
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def make(self, texts: Iterable[str]) -> dict[str, int]:
        """The numbers of names, given to those that have none yet. Not to be called inside a transaction."""
        wanted = sorted(set(texts))
        self._check()
        if any(text not in self._numbers for text in wanted):
            self._connection.once(lambda db: self._make(db, wanted))
        numbers = self._numbers
        return {text: numbers[text] for text in wanted}

    def find(self, db: Db, text: str) -> int | None:
        """The number of a name, None if nobody has used it."""
        self._check()
        if text not in self._numbers:
            self._learn(db.all("SELECT number, text FROM oakum.name WHERE text = $1", (text,)))
        return self._numbers.get(text)

    def text(self, db: Db, number: int) -> str:
        """The name of a number."""
        self._check()
        if number not in self._texts:
            self._learn(db.all("SELECT number, text FROM oakum.name WHERE number = $1", (number,)))
        return self._texts[number]

    def _make(self, db: Db, new: list[str]) -> None:
        self._check()
        known = "SELECT number, text FROM oakum.name WHERE text = ANY($1::text[])"
        self._learn(db.all(known, (new,)))
        if any(text not in self._numbers for text in new):
            db.run("INSERT INTO oakum.name(text) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", (new,))
            self._learn(db.all(known, (new,)))

    def _learn(self, rows: list[tuple[int, str]]) -> None:
        for number, text in rows:
            self._numbers[text], self._texts[number] = number, text

    def _check(self) -> None:
        """Forgets them all once the connection is another: the database may be, too."""
        if self._opened != self._connection.opened:
            self._numbers, self._texts = {}, {}
            self._opened = self._connection.opened
