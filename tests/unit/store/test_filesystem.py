"""On which file system a path lies: read from mountinfo, odd names and hidden mounts included."""

from __future__ import annotations

from pathlib import Path

import pytest

from oakum.errors import StoreError
from oakum.store.sqlite.filesystem import NETWORK, refuse_network, type_of

MOUNTS = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:20 / /srv/share rw,relatime shared:2 master:1 - nfs4 server:/export rw,vers=4.2
23 22 254:1 / /srv/share/local rw,relatime - xfs /dev/vdb rw
24 21 0:21 / /mnt/with\040space\011and\134all rw - cifs //host/share rw
25 21 0:22 / /over rw - ext4 /dev/vdc rw
26 25 0:23 / /over rw - 9p host rw,trans=virtio
27 21 0:24 / /home/me/remote rw - fuse.sshfs me@host: rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/work.db", "ext4"),
        ("/srv/share/work.db", "nfs4"),
        ("/srv/share", "nfs4"),
        ("/srv/shared/work.db", "ext4"),
        ("/srv/share/local/work.db", "xfs"),
        ("/mnt/with space\tand\\all/work.db", "cifs"),
        ("/over/work.db", "9p"),
        ("/home/me/remote/deep/down/work.db", "fuse.sshfs"),
    ],
)
def test_the_mount_that_a_path_lies_on(path: str, kind: str) -> None:
    assert type_of(path, MOUNTS) == kind


def test_nothing_is_known_of_a_host_without_mounts() -> None:
    assert type_of("/work.db", "") == ""


def mounts(tmp_path: Path, kind: str) -> str:
    file = tmp_path / "mountinfo"
    file.write_text(f"21 1 254:0 / / rw - ext4 /dev/root rw\n22 21 0:20 / {tmp_path} rw - {kind} it rw\n")
    return str(file)


@pytest.mark.parametrize("kind", sorted(NETWORK))
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StoreError, match=rf"work\.db: lies on a network file system \({kind}\).*local disk"):
        refuse_network(str(tmp_path / "work.db"), mounts(tmp_path, kind))


def test_a_link_to_one_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "share"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="nfs"):
        refuse_network(str(tmp_path / "link" / "work.db"), mounts(elsewhere, "nfs"))


@pytest.mark.parametrize("kind", ["ext4", "tmpfs", "overlay", "btrfs", "fuse.mergerfs"])
def test_a_local_one_is_not(tmp_path: Path, kind: str) -> None:
    refuse_network(str(tmp_path / "work.db"), mounts(tmp_path, kind))


def test_a_platform_that_does_not_tell_is_trusted(tmp_path: Path) -> None:
    refuse_network(str(tmp_path / "work.db"), str(tmp_path / "missing"))
