"""Logs of `ps` listings as they really are: torn, shifted, doubled, with noise between; and what each ought to give."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from bench.watch_hosts import Host, Trouble, ps_block

Seen = dict[tuple[int, int, str], list[tuple[int, int]]]  # (pid, start, command) -> (time, resident KiB)


@dataclass
class MessyLog:
    """`text` is the log; what should be read from it stands beside it."""

    text: bytes = b""
    times: list[int] = field(default_factory=list)
    seen: Seen = field(default_factory=dict)
    torn: int = 0
    bad_lines: int = 0
    reboots: int = 0


def messy_log(seed: int, hours: float = 4, size: int = 40, reboots: int = 1) -> MessyLog:
    """One block in four is disturbed in some way."""
    rng = random.Random(seed)
    host = Host(seed, hours, size, Trouble(hung_crons=1, leaks_mb_h=(4.0,), reboots=reboots))
    log, parts, torn_before = MessyLog(), [], True
    for now_s, processes in host.ticks():
        block = ps_block(now_s, processes).encode()
        disturb = rng.choice(_ALL) if rng.random() < 0.25 else None
        if disturb in _TEARING and torn_before:
            disturb = None  # a sample after a torn one is judged by its length
        torn_before = disturb in _TEARING
        block, bad = (block, 0) if disturb is None else disturb(block, rng)
        parts.append(block)
        log.bad_lines += bad
        if torn_before:
            log.torn += 1
            continue
        log.times.append(now_s)
        for process in processes:
            log.seen.setdefault((process.pid, process.start_s, process.args), []).append((now_s, process.rss_kib))
    log.text, log.reboots = b"".join(parts), len(host.truth.reboots)
    return log


# Each takes a block and gives what became of it, and how many of its lines cannot be read any more.


def _cut(block: bytes, rng: random.Random) -> tuple[bytes, int]:
    """The disk was full, or the host died: the block ends inside a line, and the next header follows at once."""
    lines = block.split(b"\n")
    last = rng.randrange(len(lines) * 2 // 3, len(lines) - 1)
    return b"\n".join(lines[:last]) + b"\n" + lines[last][: rng.randrange(16, 40)], 1


def _zeros(block: bytes, rng: random.Random) -> tuple[bytes, int]:
    """A file system filled with zeros what a crash had cut off."""
    cut, bad = _cut(block, rng)
    return cut + b"\0" * 700, bad


def _nothing(block: bytes, _rng: random.Random) -> tuple[bytes, int]:
    """cron had no memory left to start ps."""
    header, _, _ = block.partition(b"\n")
    return header + b"\n", 0


def _noise(block: bytes, rng: random.Random) -> tuple[bytes, int]:
    """Somebody else wrote into the log."""
    lines = block.split(b"\n")
    lines.insert(rng.randrange(2, len(lines) - 2), b"sh: 1: Cannot fork \xff\xfe")
    return b"\n".join(lines), 1


def _shift(block: bytes, rng: random.Random) -> tuple[bytes, int]:
    """Columns are as wide as what is in them, so they move from block to block."""
    return re.sub(rb"(?m)^ +(\d+) +(\d+) ", rb"%s\1   \2 " % (b" " * rng.randrange(9)), block), 0


def _waver(block: bytes, rng: random.Random) -> tuple[bytes, int]:
    """`lstart` is reckoned from the uptime: it wavers by a second from one call to the next."""
    later = rng.choice((-1, 1))

    def move(match: re.Match[bytes]) -> bytes:
        second = int(match[2]) + later
        return match[1] + b"%02d" % second + match[3] if 0 <= second < 60 else match[0]

    return re.sub(rb"(\d\d:\d\d:)(\d\d)( \d{4} )", move, block), 0


def _twice(block: bytes, _rng: random.Random) -> tuple[bytes, int]:
    """Two crons ran: the listing stands there twice."""
    header, _, rest = block.partition(b"\n")
    return header + b"\n" + rest + rest, 0


def _headless(block: bytes, _rng: random.Random) -> tuple[bytes, int]:
    """--no-headers."""
    lines = block.split(b"\n")
    return b"\n".join(lines[:1] + lines[2:]), 0


def _returns(block: bytes, _rng: random.Random) -> tuple[bytes, int]:
    """It went through a tool that ends lines as DOS did."""
    return block.replace(b"\n", b"\r\n"), 0


_TEARING = (_cut, _zeros, _nothing)
_ALL = (*_TEARING, _noise, _shift, _waver, _twice, _headless, _returns)
