"""The template: imports the application once, freezes it, and forks children that share its pages.

The first template of a worker is forked off before the worker imports what only it needs, so that the two share their
pages (`plant`). Later ones run as `python -m oakum.run.child.template CONTROL SUPERVISOR MODULE:APP`, where CONTROL is a descriptor
and SUPERVISOR a pid; with `--child`, the same program is one child that was not forked (where a fork would be unsafe).
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from oakum.host.limits import Heap
from oakum.host.process import die_with, note_only, set_name
from oakum.host.tree import resident
from oakum.model.outcome import clip
from oakum.run.app import Oakum
from oakum.run.execute import text_of
from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.declared import write_declared
from oakum.run.link.orders import Orders
from oakum.run.link.page import Page
from oakum.run.link.stream import Sender
from oakum.run.load import files_of_failure, load, manifest


def main(arguments: list[str]) -> None:
    """The program: a template, or one child."""
    if arguments[0] == "--child":
        _spawned(arguments[1:])
    serve(socket.socket(fileno=int(arguments[0])), int(arguments[1]), arguments[2])


def plant(target: str) -> tuple[socket.socket, int]:
    """Forks off the first template: the line to it, and its pid. To be called before there are threads or open files."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _import_what_children_need()
    gc.collect()
    gc.freeze()
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    try:
        ours.close()
        serve(theirs, supervisor, target)
    finally:
        os._exit(0)


def serve(control: socket.socket, supervisor: int, target: str) -> None:
    """The life of a template: import, report, fork on demand until the supervisor closes the line."""
    die_with(supervisor)
    set_name("oakum-template", f"oakum template {target}")
    note_only(signal.SIGTERM, signal.SIGINT)
    app = _import(control, target)
    while True:
        packet, fds, _, _ = socket.recv_fds(control, 4096, 8)
        if not packet:
            return
        request = wire.decode_fork(packet)
        _fork(app, control, supervisor, request, fds)
        for fd in fds:
            os.close(fd)


def _import(control: socket.socket, target: str) -> Oakum:
    """Imports the application and says so; on failure says that, and ends: the supervisor waits for a change."""
    try:
        app = load(target)
        description = manifest(app, target)
        schedules = _take_schedules(app)
    except BaseException as error:  # noqa: BLE001 - whatever the user's module raises is to be told, not died of
        cause = error.__cause__ or error
        text = text_of(cause)
        control.send(wire.encode(wire.Broken(clip(str(error), 1000), text, files_of_failure(cause)[:200])))
        os._exit(0)
    _import_what_children_need()
    if any(task.spec.is_async for task in app.tasks.values()):
        import oakum.run.child.loop  # noqa: F401
    gc.collect()
    Heap().trim()
    gc.freeze()  # a collection in a child would write to every object's header, and copy every page
    socket.send_fds(control, [wire.encode(wire.Loaded(description, resident(os.getpid()) or 0))], schedules)
    for file in schedules:
        os.close(file)
    return app


def _take_schedules(app: Oakum) -> list[int]:
    """The file with what schedules there are. They leave the application: no child has a use for them, and there may be
    ten thousand."""
    if not app.schedules:
        return []
    file = write_declared(app.schedules)
    app.schedules.clear()
    return [file]


def _import_what_children_need() -> None:
    """Once here, so that its pages are shared."""
    import oakum.run.child.life  # noqa: F401


def _fork(app: Oakum, control: socket.socket, supervisor: int, request: wire.Fork, fds: list[int]) -> None:
    """Forks twice: the middle process ends at once, so that the child is the supervisor's own, to wait for and to reap."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        control.close()
        _live(app, supervisor, request, fds)
    except BaseException:  # noqa: BLE001 - nothing of the template's stack may run on in a child
        traceback.print_exc()
    finally:
        os._exit(1)


def _spawned(arguments: list[str]) -> NoReturn:
    """A child that imports the application for itself."""
    supervisor, target, listener = int(arguments[0]), arguments[1], arguments[2] == "listener"
    app = load(target)
    _live(app, supervisor, wire.Fork(listener), [int(fd) for fd in arguments[3:]])
    os._exit(1)


def _live(app: Oakum, supervisor: int, request: wire.Fork, fds: list[int]) -> None:
    os.setsid()  # a group and a session of its own: the whole of it can be killed, and nothing else
    _wait_for_parent(supervisor)
    die_with(supervisor)
    if request.listener:
        from oakum.run.child.listener import listen

        set_name("oakum-listener", "oakum listener")
        listen(app, Channel.of(fds[0]))
        return
    from oakum.run.child.inbox import Inbox
    from oakum.run.child.life import live

    packets, orders, answers, line, page, output = fds
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    set_name("oakum-child", "oakum child")
    live(app, Inbox(Orders(orders), Channel.of(packets)), Sender(answers), Channel.of(line), Page(page))


def _wait_for_parent(supervisor: int) -> None:
    """Until the middle process has ended and the supervisor, being the subreaper, is the parent.

    The middle process is already in `_exit`: this takes microseconds. Should the supervisor be gone, `die_with` sees to it.
    """
    while os.getppid() not in (supervisor, 1) and _alive(os.getppid()):
        os.sched_yield()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
