"""Control groups for memory, both generations: the limit that this process lives under, and groups of one's own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Final

from oakum.units import KIB

_NO_LIMIT: Final = 1 << 60  # v1 writes "none" as a number near 2**63
_SMALLEST: Final = 64 * KIB


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where this process stands in the memory controller's tree.

    `mount` is the mount point, `path` the group's path below it, `version` 1 or 2.
    """

    mount: str
    path: str
    version: int

    @property
    def directory(self) -> str:
        """The group's own directory."""
        return os.path.join(self.mount, self.path.lstrip("/"))


def find(proc: str = "/proc") -> Hierarchy | None:
    """The memory hierarchy that this process is in, None where there is none (no controller, no Linux)."""
    try:
        groups = _read(f"{proc}/self/cgroup").splitlines()
        mounts = _read(f"{proc}/self/mountinfo").splitlines()
    except OSError:
        return None
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in groups)}
    for line in mounts:
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        root, mount = fields.split()[3:5]
        if kind == "cgroup" and "memory" in options.split(","):
            for controllers, path in paths.items():
                if "memory" in controllers.split(","):
                    return Hierarchy(mount, _below(path, root), 1)
    for line in mounts:
        fields, _, rest = line.partition(" - ")
        root, mount = fields.split()[3:5]
        if rest.startswith("cgroup2 ") and "" in paths:
            here = Hierarchy(mount, _below(paths[""], root), 2)
            controllers_file = os.path.join(here.directory, "cgroup.controllers")
            with contextlib.suppress(OSError):
                if "memory" in _read(controllers_file).split():
                    return here
    return None


def limit(hierarchy: Hierarchy) -> int | None:
    """The smallest limit in bytes from the group up to the root, None when nothing limits it."""
    name = "memory.max" if hierarchy.version == 2 else "memory.limit_in_bytes"
    directory, smallest = hierarchy.directory, _NO_LIMIT
    while directory.startswith(hierarchy.mount):
        with contextlib.suppress(OSError, ValueError):
            smallest = min(smallest, int(_read(os.path.join(directory, name))))  # "max" is no number: no limit
        if directory == hierarchy.mount:
            break
        directory = os.path.dirname(directory)
    return smallest if smallest < _NO_LIMIT else None


class Group:
    """One control group that was made here: a limit, processes, and the count of its kills."""

    def __init__(self, directory: str, version: int) -> None:
        self._directory, self._version = directory, version

    def add(self, pid: int) -> None:
        """Moves a process in. Raises OSError."""
        _write(os.path.join(self._directory, "cgroup.procs"), str(pid))

    def limit(self, size: int) -> None:
        """Limits the group to `size` bytes from now on. Raises OSError, EBUSY where v1 cannot shrink it that far."""
        name = "memory.max" if self._version == 2 else "memory.limit_in_bytes"
        _write(os.path.join(self._directory, name), str(max(size, _SMALLEST)))

    def kills(self) -> int:
        """How many processes the kernel has killed in it for memory."""
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        with contextlib.suppress(OSError):
            for line in _read(os.path.join(self._directory, name)).splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    return int(count)
        return 0

    def remove(self) -> bool:
        """Takes the group away; false while a process is still in it."""
        try:
            os.rmdir(self._directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Parent:
    """A directory of groups below this process's own group, made with `make`."""

    def __init__(self, directory: str, version: int) -> None:
        self.directory, self.version = directory, version

    def group(self, name: str) -> Group:
        """A new group. Raises OSError."""
        directory = os.path.join(self.directory, name)
        os.mkdir(directory)
        return Group(directory, self.version)

    def remove(self) -> None:
        """Takes away all groups that are empty, and the directory itself if nothing is left."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.directory):
                if entry.is_dir():
                    with contextlib.suppress(OSError):
                        os.rmdir(entry.path)
            os.rmdir(self.directory)


def make(hierarchy: Hierarchy, name: str) -> Parent | None:
    """A place for groups of one's own, None where this user may not make one.

    Version 2 lets a group have either processes or limited groups below it, so the caller moves into a leaf beside
    them; that needs a delegated group (systemd: `Delegate=memory`).
    """
    directory = os.path.join(hierarchy.directory, name)
    try:
        if hierarchy.version == 2:
            leaf = os.path.join(hierarchy.directory, f"{name}-supervisor")
            os.mkdir(leaf)
            _write(os.path.join(leaf, "cgroup.procs"), str(os.getpid()))
            _write(os.path.join(hierarchy.directory, "cgroup.subtree_control"), "+memory")
        os.mkdir(directory)
        if hierarchy.version == 2:
            _write(os.path.join(directory, "cgroup.subtree_control"), "+memory")
        trial = os.path.join(directory, "trial")
        os.mkdir(trial)
        os.rmdir(trial)
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(directory)
        return None
    return Parent(directory, hierarchy.version)


def sweep(hierarchy: Hierarchy, prefix: str) -> None:
    """Takes away the groups named `prefix` and a pid that processes which were killed have left behind, as far as they are empty."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(hierarchy.directory):
            pid = entry.name.removeprefix(prefix)
            if entry.name.startswith(prefix) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                Parent(entry.path, hierarchy.version).remove()


def _below(path: str, root: str) -> str:
    """A group's path as seen from a mount whose root is itself a group (containers)."""
    if root in ("", "/"):
        return path
    return path[len(root) :] if path.startswith(root) else "/"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
