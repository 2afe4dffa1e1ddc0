"""What a Redis URL says: where the server is, which keys are the store's, and what the server is trusted with."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, cast, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.connection import parse_url

from oakum.errors import UsageError

Durability = Literal["always", "everysec", "no", "none"]

DEFAULT_PREFIX: Final = "oakum"
_YES_NO: Final = {"true": True, "false": False}


class Address(NamedTuple):
    """A server and a store on it. `shown` is the URL without its password, for messages."""

    shown: str
    connect: dict[str, Any]
    prefix: str
    allow_lossy: bool
    durability: Durability | None


def parse(url: str) -> Address:
    """Takes a URL apart: `redis://host:6379/0?prefix=oakum`, `rediss://` for TLS.

    `allow_lossy=true` accepts a server that may forget jobs; `durability=always|everysec|no` says how one syncs its log
    that does not tell. What else stands in the query is for redis-py. Raises UsageError for what cannot be meant.
    """
    parts = urlsplit(url)
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", DEFAULT_PREFIX)
    lossy = query.pop("allow_lossy", "false")
    durability = query.pop("durability", None)
    if not prefix or set(prefix) & set("{}"):
        raise UsageError(f"store: prefix={prefix!r} cannot begin the names of keys; write it like prefix=oakum")
    if lossy not in _YES_NO:
        raise UsageError(f"store: allow_lossy={lossy!r} is neither true nor false")
    if durability is not None and durability not in get_args(Durability):
        raise UsageError(f"store: durability={durability!r} is none of {', '.join(get_args(Durability))}")
    try:
        connect = parse_url(urlunsplit(parts._replace(query=urlencode(query))))  # type: ignore[no-untyped-call]  # redis-py leaves it so
    except ValueError as error:
        raise UsageError(f"store: {shown}: {error}; write it like 'redis://host:6379/0?prefix=oakum'") from None
    return Address(shown, connect, prefix, _YES_NO[lossy], cast("Durability | None", durability))
