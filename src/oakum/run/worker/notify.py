"""What systemd is told of a service's state (sd_notify(3)), where it asked to be told."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(message: str) -> None:
    """Sends `message` to $NOTIFY_SOCKET; nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(message.encode(), address)
