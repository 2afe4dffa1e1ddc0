"""Where jobs come in, and where callers wait for room in a full queue: by the store's bell, one of a process at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from oakum.errors import QueueFull
from oakum.model.job import NewJob
from oakum.run.delivery import Delivery
from oakum.store.base import Bell, Mark

if TYPE_CHECKING:
    import asyncio

POLL_S: Final = 0.25  # beneath the bell, which may miss

Insert = Callable[[Sequence[NewJob]], Sequence[Mark]]
AsyncInsert = Callable[[Sequence[NewJob]], Awaitable[Sequence[Mark]]]


class Door:
    """Hands jobs in for any number of threads and coroutines.

    Those who wait for room in one queue stand in line: the first alone listens and tries, so that a hundred who wait cost no
    more than one. `patience` says for how many seconds to wait for the room that a refusal is about; with `alone` nobody
    else could make room, and one further try tells.
    """

    def __init__(self, listen: Callable[[], Bell], patience: Callable[[QueueFull, float | None], float]) -> None:
        self.alone = False
        self._listen, self._patience = listen, patience
        self._lines: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._async_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()

    def deliver(self, delivery: Delivery, insert: Insert) -> None:
        """Hands in all of it, waiting where that is wanted. Raises what the insert does; QueueFull in the end."""
        while delivery.jobs:
            try:
                delivery.accept(insert(delivery.jobs))
            except QueueFull as full:
                if delivery.refuse(full):
                    self._wait(delivery, insert, full)

    async def adeliver(self, delivery: Delivery, insert: AsyncInsert) -> None:
        """`deliver` for asyncio. Who waits holds no thread."""
        while delivery.jobs:
            try:
                delivery.accept(await insert(delivery.jobs))
            except QueueFull as full:
                if delivery.refuse(full):
                    await self._await(delivery, insert, full)

    def _wait(self, delivery: Delivery, insert: Insert, full: QueueFull) -> None:
        """Until some more are in."""
        deadline = self._deadline(delivery, full)
        with self._line(full, deadline), contextlib.closing(self._listen()) as bell:
            while True:
                try:
                    return delivery.accept(insert(delivery.jobs))
                except QueueFull as again:
                    if delivery.refuse(again):
                        bell.wait(self._left(deadline, again))

    async def _await(self, delivery: Delivery, insert: AsyncInsert, full: QueueFull) -> None:
        deadline = self._deadline(delivery, full)
        async with self._async_line(full, deadline):
            with contextlib.closing(Ear(self._listen())) as ear:
                while True:
                    try:
                        return delivery.accept(await insert(delivery.jobs))
                    except QueueFull as again:
                        if delivery.refuse(again):
                            await ear.wait(self._left(deadline, again))

    def _deadline(self, delivery: Delivery, full: QueueFull) -> float:
        seconds = self._patience(full, delivery.block_s)
        if seconds <= 0:
            raise full
        return time.monotonic() + seconds

    def _left(self, deadline: float, full: QueueFull) -> float:
        """How long to wait before the next try."""
        left = deadline - time.monotonic()
        if left <= 0 or self.alone:
            raise full
        return min(left, POLL_S)

    @contextlib.contextmanager
    def _line(self, full: QueueFull, deadline: float) -> Iterator[None]:
        line = self._lines[full.queue]
        if not line.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise full
        try:
            yield
        finally:
            line.release()

    @contextlib.asynccontextmanager
    async def _async_line(self, full: QueueFull, deadline: float) -> AsyncIterator[None]:
        import asyncio

        lines = self._async_lines.setdefault(asyncio.get_running_loop(), {})
        line = lines.setdefault(full.queue, asyncio.Lock())
        try:
            await asyncio.wait_for(line.acquire(), max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise full from None
        try:
            yield
        finally:
            line.release()


class Ear:
    """A bell that coroutines wait for: by its descriptor, or by looking now and then where it has none."""

    def __init__(self, bell: Bell) -> None:
        import asyncio

        self._bell, self._loop, self._rung = bell, asyncio.get_running_loop(), asyncio.Event()
        self._once_more = bell.echo_s > 0  # it may have rung just before it was ours
        if bell.fileno() >= 0:
            self._loop.add_reader(bell.fileno(), self._rung.set)

    async def wait(self, seconds: float) -> None:
        """Waits until it rings, or for so long."""
        import asyncio

        if self._bell.fileno() < 0:
            await asyncio.sleep(min(seconds, POLL_S / 10))
            self._bell.wait(0.0)
            return
        try:
            await asyncio.wait_for(self._rung.wait(), min(seconds, self._bell.echo_s) if self._once_more else seconds)
            self._once_more = self._bell.echo_s > 0
        except TimeoutError:
            self._once_more = False
        self._rung.clear()
        self._bell.drain()

    def close(self) -> None:
        """Stops listening."""
        if self._bell.fileno() >= 0:
            self._loop.remove_reader(self._bell.fileno())
        self._bell.close()
