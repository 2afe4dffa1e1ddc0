"""Whom a process talks to: the far ends of its TCP connections, from the numbers of its sockets.

Formats: proc(5) for /proc/PID/fd, Documentation/networking/proc_net_tcp.rst of the kernel for /proc/PID/net/tcp.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from oakum.units import MIB

_LARGEST_TABLE: Final = 4 * MIB
_MOST_FDS: Final = 200  # of a process are looked at
_MOST_NAMED: Final = 3
_TALKING: Final = frozenset(
    (b"01", b"02", b"04", b"05", b"08")
)  # established, connecting, closing: include/net/tcp_states.h
_WORDS: Final = "<" if sys.byteorder == "little" else ">"


def peers(root: str, pid: int) -> str:
    """`"93.184.216.34:443"`, several by commas, "" where there are none or they are not to be seen. `root`: a /proc."""
    sockets = set(_sockets(f"{root}/{pid}/fd"))
    if not sockets:
        return ""
    found = sorted(
        peer for name in ("tcp", "tcp6") for inode, peer in _table(f"{root}/{pid}/net/{name}") if inode in sockets
    )
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _sockets(directory: str) -> Iterator[bytes]:
    """The inodes of its sockets; nothing where it ended, or is another user's."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names[:_MOST_FDS]:
        with contextlib.suppress(OSError):  # closed meanwhile
            kind, _, number = os.readlink(f"{directory}/{name}").partition(":[")
            if kind == "socket":
                yield number.rstrip("]").encode()


def _table(path: str) -> Iterator[tuple[bytes, str]]:
    """(inode, far end) of each connection in a network namespace."""
    try:
        with open(path, "rb") as file:
            lines = file.read(_LARGEST_TABLE).splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if len(fields) > 9 and fields[3] in _TALKING:
            yield fields[9], _address(fields[2].decode("ascii"))


def _address(text: str) -> str:
    """`"0100007F:1F90"` -> `"127.0.0.1:8080"`: words of 32 bits in the machine's order, the port in hexadecimal."""
    words, _, port = text.partition(":")
    count = len(words) // 8
    raw = struct.pack(f">{count}I", *struct.unpack(f"{_WORDS}{count}I", bytes.fromhex(words)))
    if raw[:12] == bytes(10) + b"\xff\xff":
        raw = raw[12:]  # IPv4 through a socket of version 6
    if len(raw) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, raw)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, raw)}]:{int(port, 16)}"
