"""Waiting in asyncio for a bell that holds some of its rings back."""

from __future__ import annotations

import asyncio
import os

import pytest

from oakum.run.door import Ear

FOR_EVER = 3600.0


class Bell:
    """A pipe: a byte in it is a ring."""

    def __init__(self, echo_s: float) -> None:
        self.echo_s = echo_s
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        self.looks = 0

    def ring(self) -> None:
        os.write(self._in, b"!")

    def fileno(self) -> int:
        return self._out

    def wait(self, timeout: float) -> bool:
        raise AssertionError("that would block the loop")

    def drain(self) -> None:
        self.looks += 1
        try:
            os.read(self._out, 100)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


@pytest.mark.timeout(30)
def test_who_waits_looks_once_more_after_a_ring_since_another_may_have_been_held_back() -> None:
    bell = Bell(echo_s=0.001)

    async def listen() -> None:
        ear = Ear(bell)
        await ear.wait(FOR_EVER)  # what rang before it was listened to
        bell.ring()
        await ear.wait(FOR_EVER)
        await ear.wait(FOR_EVER)  # what came after it
        assert bell.looks == 3
        ear.close()

    asyncio.run(listen())


@pytest.mark.timeout(30)
@pytest.mark.parametrize("echo_s", [0.0, 0.001])
def test_who_has_looked_once_more_waits_for_a_ring(echo_s: float) -> None:
    bell = Bell(echo_s)

    async def listen() -> None:
        ear = Ear(bell)
        if echo_s:
            await ear.wait(FOR_EVER)
        waiting = asyncio.ensure_future(ear.wait(FOR_EVER))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        bell.ring()
        await waiting
        ear.close()

    asyncio.run(listen())
