"""The line to the server: scripts called by name, every failure told in Oakum's words, and nothing sent twice unasked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from hiredis import pack_command
from redis import exceptions as redis_errors

from oakum.errors import NotAStore, StoreAway, StoreError, StoreFull
from oakum.store.group import Undecided
from oakum.store.moving import Notice, not_arriving
from oakum.store.redis import schema, server
from oakum.store.redis.address import Address, Durability
from oakum.store.redis.lines import Line, Lines
from oakum.store.redis.scripts import script
from oakum.store.redis.wire import encode

T = TypeVar("T")

_OTHER_VERSION: Final = "OAKUMVERSION"
_SHUT: Final = "OAKUMSHUT "
_NOT_FILLED: Final = "OAKUMOPEN"
_OWN: Final = "OAKUM "


class Connection:
    """The connections of one process to one store. Opened when first used, also after `close`, and anew after a failure."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.key = f"{{{address.prefix}}}:"
        self._lines = Lines(address.connect)
        self._durability: Durability | None = None

    @property
    def durability(self) -> Durability:
        """What the server promises."""
        return self._ready()

    def call(self, verb: str, *args: Any) -> Any:
        """Runs a verb's script. Raises Undecided where it may have run, StoreError where it has not."""
        self._ready()
        packed = encode(args)
        try:
            return self._run(verb, packed)
        except _OtherVersion:  # the store was emptied, or written by another Oakum, since this process looked
            self._prepare()
            return self._run(verb, packed)

    def ask(self, *command: Any) -> Any:
        """Sends one command that changes nothing."""
        self._ready()
        with self._translated():
            return self._send(*command)

    def exists(self) -> bool:
        """Whether there is a store."""
        return self.look(lambda ask: bool(ask("EXISTS", self.key + "meta")))

    def look(self, work: Callable[[server.Ask], T]) -> T:
        """`work` that asks before anything is known of the server, and for which no store is made."""
        with self._translated():
            return work(self._send)

    def open_line(self) -> Line:
        """One more connection, for whoever listens on it."""
        with self._translated():
            return self._lines.open()

    def close(self) -> None:
        """Closes all connections that are not in use."""
        lines, self._lines, self._durability = self._lines, Lines(self.address.connect), None
        lines.close()

    def _ready(self) -> Durability:
        durability = self._durability
        if durability is None:
            with self._translated():
                durability = server.check(self._send, self.address)
            self._prepare()
            self._durability = durability
        return durability

    def _prepare(self) -> None:
        with self._translated():
            schema.prepare(self._send, self.key, self.address.shown)

    def _run(self, verb: str, packed: bytes) -> Any:
        text, sha = script(verb, schema.VERSION)
        with self._translated():
            try:
                return self._send("EVALSHA", sha, 1, self.key, packed)
            except redis_errors.NoScriptError:
                return self._send("EVAL", text, 1, self.key, packed)

    def _send(self, *command: Any) -> Any:
        lines = self._lines
        line = lines.take()
        try:
            # Packed here: as redis-py would do it, in a third of the time
            line.send_packed_command((pack_command(command),), check_health=False)
            return line.read_response()
        except redis_errors.ResponseError:
            raise
        except redis_errors.BusyLoadingError:
            line.disconnect()
            raise
        except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError) as error:
            line.disconnect()
            raise Undecided(f"{self.address.shown}: the connection broke before the answer came ({error})") from error
        except BaseException:  # interrupted: the answer is still to come, and would be taken for the next one's
            line.disconnect()
            raise
        finally:
            lines.give_back(line)

    def _forget(self) -> None:
        """Has the server looked at again before it is used again."""
        self._durability = None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Redis's errors in Oakum's words: what, where, the remedy."""
        shown = self.address.shown
        try:
            yield
        except Undecided:
            self._forget()
            raise
        except redis_errors.OutOfMemoryError as error:
            raise StoreFull(
                f"{shown}: the server has reached maxmemory; raise it, or let jobs end and be pruned"
            ) from error
        except redis_errors.BusyLoadingError as error:
            raise StoreAway(f"{shown}: the server is still loading its data; it will answer when it is done") from error
        except (redis_errors.ReadOnlyError, redis_errors.AuthenticationError) as error:
            self._forget()
            raise StoreError(
                f"{shown}: the server refuses ({error}); check the URL, and which server is the primary"
            ) from error
        except redis_errors.ResponseError as error:
            raise self._told(error) from error
        except (redis_errors.RedisError, OSError) as error:
            self._forget()
            raise StoreAway(f"{shown}: cannot reach the server ({error}); check that it runs there") from error

    def _told(self, error: redis_errors.ResponseError) -> StoreError:
        text = str(error)
        if text.startswith(_OTHER_VERSION):
            return _OtherVersion(text)
        if text.startswith(_NOT_FILLED):
            return StoreError(not_arriving(self.address.shown))
        if text.startswith(_SHUT):
            return Notice.decode(text.removeprefix(_SHUT).partition("\t")[0].encode()).refusal(self.address.shown)
        if text.startswith(_OWN):
            return StoreError(f"{self.address.shown}: {text.removeprefix(_OWN)}")
        if text.startswith("MISCONF"):
            return StoreFull(
                f"{self.address.shown}: the server has no room on its disk, or cannot write there ({text})"
            )
        if text.startswith("WRONGTYPE"):
            return NotAStore(
                f"{self.address.shown}: other data has the names of its keys; give the store a prefix of its own"
            )
        return StoreError(f"{self.address.shown}: the server refuses ({text})")


class _OtherVersion(StoreError):
    """The store is not of the version that this process saw."""
