"""The systemd unit of the recorder, as text: hardened, small, started with the host. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

_UNIT: Final = """\
[Unit]
Description=Oakum watch: every process of this host, in a few hundred kilobytes
Documentation=man:proc(5)
After=local-fs.target

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=10s
{place}
Nice=10
IOSchedulingClass=idle
MemoryMax=256M
TasksMax=32
OOMScoreAdjust=-500
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictRealtime=yes
LockPersonality=yes
UMask=0077

[Install]
WantedBy=multi-user.target
"""
UNIT_PATH: Final = "/etc/systemd/system/oakum-watch.service"


def unit_text(command: Sequence[str], archive: str | None = None) -> str:
    """The unit that runs `command`, whose first word is the absolute path of `oakum`; it may write to `archive`."""
    own = "StateDirectory=oakum/watch\nStateDirectoryMode=0700"
    place = own if archive is None else f"ReadWritePaths={_quoted(archive)}"
    return _UNIT.format(command=" ".join(_quoted(word).replace("$", "$$") for word in command), place=place)


def _quoted(word: str) -> str:
    """A word as systemd reads it: quotes and backslashes as in C, percent signs doubled (systemd.syntax(7))."""
    escaped = word.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%").replace("\n", r"\n")
    return escaped if re.fullmatch(r"[\w./:@%+=,-]+", escaped) else f'"{escaped}"'


def install_steps(command: Sequence[str], archive: str | None = None) -> list[str]:
    """What to do to install the unit that runs `command`, one command a line, as root."""
    make = [] if archive is None else [f"mkdir -p -m 0700 {shlex.quote(archive)}"]
    return [
        f"{shlex.join([*command, '--install'])} > {UNIT_PATH}",
        *make,
        "systemctl daemon-reload",
        "systemctl enable --now oakum-watch",
        f"oakum watch show{'' if archive is None else f' --archive {shlex.quote(archive)}'}    # a day later",
    ]
