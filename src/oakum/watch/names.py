"""The strings and the things named in one file of an archive, numbered in the order of their writing."""

from __future__ import annotations

from collections.abc import Iterable

from oakum.watch.tables import Entity


class Names:
    """The strings and entities of one file, numbered in the order of their writing."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._string_ids: dict[str, int] = {}
        self._entities: dict[str, list[Entity | None]] = {}
        self._entity_ids: dict[str, dict[Entity, int]] = {}

    def string(self, text: str) -> int:
        """The string's number; a new one is learned."""
        if text not in self._string_ids:
            self._string_ids[text] = len(self.strings)
            self.strings.append(text)
        return self._string_ids[text]

    def learn(self, first: int, strings: Iterable[str]) -> None:
        """Strings read from a block. What a damaged block before it held stays unknown."""
        del self.strings[first:]
        self.strings.extend("?" for _ in range(len(self.strings), first))
        for text in strings:
            self._string_ids[text] = len(self.strings)
            self.strings.append(text)

    def entities(self, table: str) -> list[Entity | None]:
        """The table's entities by number, None where lost by damage."""
        return self._entities.setdefault(table, [])

    def entity_ids(self, table: str) -> dict[Entity, int]:
        """The numbers of the table's entities."""
        return self._entity_ids.setdefault(table, {})

    def learn_entities(self, table: str, first: int, new: Iterable[Entity]) -> None:
        """Entities written to, or read from, a block."""
        known, ids = self.entities(table), self.entity_ids(table)
        del known[first:]
        known.extend(None for _ in range(len(known), first))
        for entity in new:
            ids[entity] = len(known)
            known.append(entity)
