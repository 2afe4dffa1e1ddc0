"""The process in which event listeners run: away from the supervisor, which imports no user code, and from the jobs."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from oakum.events import decode_event
from oakum.host.process import note_only
from oakum.run.app import Oakum
from oakum.run.link.channel import Channel


def listen(app: Oakum, channel: Channel) -> None:
    """Hands each event to each listener until the supervisor closes the line; a listener that raises is reported and kept."""
    note_only(signal.SIGTERM, signal.SIGINT)  # the supervisor closes the line after the last event
    channel.send(str(os.getpid()).encode())
    for hook in app.child_start_hooks:
        hook()
    while packet := channel.receive():
        event = decode_event(packet)
        for listener in app.listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - user code; the next event is another matter
                print(f"oakum: listener {getattr(listener, '__name__', listener)!s} failed:", file=sys.stderr)
                traceback.print_exc()
    for hook in app.child_stop_hooks:
        hook()
    sys.stdout.flush()
    sys.stderr.flush()
