"""Keys of a Redis that nobody has touched for long, such as Celery's results that were told never to expire."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from oakum.clock import Clock
from oakum.errors import CannotRun, UsageError
from oakum.purge.target import Batch
from oakum.purge.trouble import no_driver

try:
    import redis
except ImportError as error:
    raise no_driver("redis", "redis") from error

_SCANNED_AT_ONCE: Final = 1_000
_NO_EXPIRY: Final = -1  # what TTL answers for a key that stays


class RedisKeys:
    """Keys beginning with one of `prefixes` that were neither read nor written for `idle` seconds (OBJECT IDLETIME).

    Keys that expire by themselves stay: Redis sees to them. Nothing is read of what the keys hold.
    """

    unit = "keys"

    def __init__(self, url: str, prefixes: tuple[str, ...], idle: float, clock: Clock) -> None:
        self._prefixes, self._idle, self._clock = prefixes, idle, clock
        try:
            self._client: Any = redis.Redis.from_url(url)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.label = f"{', '.join(prefixes)} of Redis"
        self._found = self._idle_keys()

    def count(self) -> int:
        return sum(1 for _ in self._idle_keys())

    def delete(self, size: int) -> Batch | None:
        keys = list(islice(self._found, size))
        if not keys:
            return None
        began = self._clock.monotonic()
        try:
            rows = self._client.unlink(*keys)
        except redis.RedisError as error:
            raise CannotRun(f"Redis: {error}") from error
        return Batch(rows, self._clock.monotonic() - began)

    def close(self) -> None:
        self._client.close()

    def _idle_keys(self) -> Iterator[bytes]:
        try:
            for prefix in self._prefixes:
                named = self._client.scan_iter(f"{prefix}*", _SCANNED_AT_ONCE)
                while keys := list(islice(named, _SCANNED_AT_ONCE)):
                    yield from self._idle_of(keys)
        except redis.RedisError as error:
            raise CannotRun(f"Redis: {error}") from error

    def _idle_of(self, keys: list[bytes]) -> list[bytes]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.object("IDLETIME", key)
            pipeline.ttl(key)
        answers = pipeline.execute()
        found = zip(keys, answers[::2], answers[1::2], strict=True)
        return [key for key, idle, ttl in found if ttl == _NO_EXPIRY and idle is not None and idle >= self._idle]
