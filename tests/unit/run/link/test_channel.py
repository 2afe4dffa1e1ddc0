"""Packets of any size, whole or not at all, and never a wait that nobody asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from oakum.run.link.channel import LARGEST_PACKET, Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = Channel.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [1, LARGEST_PACKET, LARGEST_PACKET + 1, 5_000_000])
def test_a_packet_arrives_as_it_was_sent(ends: tuple[Channel, Channel], size: int) -> None:
    ours, theirs = ends
    packet = os.urandom(size)
    files = len(os.listdir("/proc/self/fd"))
    assert ours.send(packet)
    assert theirs.receive() == packet
    assert len(os.listdir("/proc/self/fd")) == files  # what travelled as a file leaves none open


def test_who_does_not_want_to_wait_is_told(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    assert theirs.receive(wait=False) is None
    sent = 0
    while ours.send(b"x" * LARGEST_PACKET, wait=False):
        sent += 1
    assert sent > 0
    assert sum(theirs.receive(wait=False) is not None for _ in range(sent)) == sent
    assert theirs.receive(wait=False) is None
    assert ours.send(b"again", wait=False)


def test_the_end_of_the_other_side_is_told_after_its_last_packet(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.send(b"last")
    ours.close()
    assert theirs.receive() == b"last"
    assert theirs.receive() == b""
    with pytest.raises(OSError, match="Broken pipe"):
        theirs.send(b"anybody?")
