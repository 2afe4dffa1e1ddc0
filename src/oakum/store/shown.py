"""A store's URL as it may be told: logs and screens are no place for passwords."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from oakum.store.open import sqlite_path

_WHICH: Final = ("schema", "prefix")  # what tells one store of a server from another


def shown_url(url: str) -> str:
    """A URL without the user and the password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def address(url: str) -> str:
    """Where a store is, for people and to compare: without user, password and whatever else concerns only the connection."""
    if url.startswith("sqlite://"):
        return f"sqlite:///{os.path.abspath(sqlite_path(url))}"
    parts = urlsplit(url)
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name in _WHICH])
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query).geturl()
