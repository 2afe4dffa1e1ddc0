"""Packets between processes of one worker, over a SOCK_SEQPACKET pair: whole or not at all, of any size.

What does not fit into a packet travels as a memory file, announced by an empty marker.
"""

from __future__ import annotations

import array
import os
import socket
from typing import Final

LARGEST_PACKET: Final = 60_000
_ROOM: Final = LARGEST_PACKET + 1
_CONTROL: Final = socket.CMSG_SPACE(4)
_MARKER: Final = b"\xc1"  # the one byte that MessagePack never uses


class Channel:
    """One end of a pair."""

    __slots__ = ("_fd", "_socket")

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._fd = end.fileno()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two ends, neither of them inherited by a program that is started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def of(cls, fd: int) -> Channel:
        """The end that a descriptor is."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd))

    def fileno(self) -> int:
        return self._fd

    def send(self, packet: bytes, wait: bool = True) -> bool:
        """Sends a packet; false when it would block and `wait` is false. Raises OSError when the other end is gone."""
        flags = 0 if wait else socket.MSG_DONTWAIT
        try:
            if len(packet) <= LARGEST_PACKET:
                self._socket.send(packet, flags)
            else:
                self._send_large(packet, flags)
        except BlockingIOError:
            return False
        return True

    def receive(self, wait: bool = True) -> bytes | None:
        """The next packet; None when there is none and `wait` is false, b"" when the other end is closed."""
        try:
            # Always with room for a descriptor: marker and file come in one packet, so that no reader sees half of it.
            packet, ancillary, _, _ = self._socket.recvmsg(_ROOM, _CONTROL, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""
        return packet if packet != _MARKER else _read_file(array.array("i", ancillary[0][2])[0])

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()

    def _send_large(self, packet: bytes, flags: int) -> None:
        file = os.memfd_create("oakum-packet", os.MFD_CLOEXEC)
        try:
            left = memoryview(packet)
            while left:
                left = left[os.write(file, left) :]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))]
            self._socket.sendmsg([_MARKER], rights, flags)
        finally:
            os.close(file)


def _read_file(file: int) -> bytes:
    try:
        size = os.fstat(file).st_size
        parts: list[bytes] = []
        at = 0
        while at < size and (part := os.pread(file, size - at, at)):
            parts.append(part)
            at += len(part)
        return b"".join(parts)
    finally:
        os.close(file)
