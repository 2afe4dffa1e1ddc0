"""On which file system a path lies: SQLite's log needs one whose memory and locks all its processes share.

Format of /proc/self/mountinfo: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
from typing import Final

from oakum.errors import StoreError

NETWORK: Final = frozenset(
    (
        "9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "lustre", "ncpfs", "nfs", "nfs4",
        "ocfs2", "smb3", "smbfs",
    )
)  # fmt: skip


def type_of(path: str, mountinfo: str) -> str:
    """The type of the file system that `path` (absolute, links resolved) lies on, by the text of mountinfo; "" if unknown."""
    found, longest = "", -1
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < 5 or not rest:
            continue
        point = _unescape(words[4])
        if (
            _lies_under(path, point) and len(point) >= longest
        ):  # of two mounts on one point, the later one hides the other
            found, longest = rest.split(" ")[0], len(point)
    return found


def refuse_network(path: str, mountinfo: str = "/proc/self/mountinfo") -> None:
    """Raises StoreError when `path` lies on a network file system; says nothing where the platform does not tell."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            kind = type_of(os.path.realpath(path), file.read())
    except OSError:
        return
    if kind in NETWORK:
        raise StoreError(
            f"{path}: lies on a network file system ({kind}), where SQLite's write-ahead log is not safe; put the file on"
            " a local disk, or use a store with a server of its own"
        )


def _lies_under(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(f"{point}/")


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
