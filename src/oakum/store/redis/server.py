"""What a server must promise before jobs are trusted to it, asked of the server itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import ResponseError

from oakum.errors import StoreError
from oakum.store.base import Space
from oakum.store.redis.address import Address, Durability

Ask = Callable[..., Any]

_OLDEST: Final = 7
_PROMISES: Final[dict[Durability, str]] = {
    "always": "AOF, appendfsync=always: nothing acknowledged is lost by SIGKILL or power loss",
    "everysec": "AOF, appendfsync=everysec: a crash of the server or its host can lose the last 2 s of what was acknowledged",
    "no": "AOF, appendfsync=no: a crash of the server's host can lose what the kernel had not written yet, some 30 s",
    "none": "no AOF: a crash of the server loses everything since its last snapshot (allow_lossy=true)",
}


def check(ask: Ask, address: Address) -> Durability:
    """How durable the server is. Raises StoreError, with the remedy, for one that would lose jobs and was not allowed to."""
    version = info(ask, "server").get("redis_version", "")
    if int(version.partition(".")[0] or 0) < _OLDEST:
        raise StoreError(f"{address.shown}: this is Redis {version}; it must be Redis 7 or later, or Valkey")
    try:
        append_only, sync, policy = (_config(ask, name) for name in ("appendonly", "appendfsync", "maxmemory-policy"))
    except ResponseError as error:
        return _untold(address, error)
    if not address.allow_lossy:
        if append_only != "yes":
            raise StoreError(
                f"{address.shown}: without an append-only file a crash loses jobs; turn it on with `CONFIG SET appendonly yes`"
                " and in redis.conf, or add allow_lossy=true to the URL"
            )
        if policy != "noeviction":
            raise StoreError(
                f"{address.shown}: maxmemory-policy {policy} deletes jobs when memory is short; set it to noeviction with"
                " `CONFIG SET maxmemory-policy noeviction` and in redis.conf, or add allow_lossy=true to the URL"
            )
    return "none" if append_only != "yes" else sync


def promise(durability: Durability) -> str:
    """What survives, in one line."""
    return f"Redis, {_PROMISES[durability]}"


def space(ask: Ask, bound: int | None = None) -> Space:
    """`read_space` of what the server tells now."""
    return read_space(ask("INFO", "memory"), bound)


def read_space(told: bytes, bound: int | None) -> Space:
    """What the server's memory holds, of whomever it is, and its limit: the least of `bound` and `maxmemory`, or, of a server
    that has none, four fifths of its host's memory; None where it tells neither. `told` is what INFO answers of its memory."""
    memory = _values(told)
    own = int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0)) * 4 // 5
    return Space(int(memory["used_memory"]), min((limit for limit in (own, bound) if limit), default=None))


def info(ask: Ask, section: str) -> dict[str, str]:
    """A section of the server's INFO."""
    return _values(ask("INFO", section))


def _values(told: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)


def _untold(address: Address, error: ResponseError) -> Durability:
    """Of a managed server that keeps its settings to itself, only whoever rents it knows."""
    if address.durability is not None:
        return address.durability
    if address.allow_lossy:
        return "none"
    raise StoreError(
        f"{address.shown}: the server does not tell how durable it is ({error}); say it in the URL, with"
        " durability=always or durability=everysec, or add allow_lossy=true"
    ) from error


def _config(ask: Ask, name: str) -> Any:
    answer = ask("CONFIG", "GET", name)
    return answer[1].decode() if answer else ""
