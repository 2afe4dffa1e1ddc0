"""What few jobs have, packed into one column, so that it costs the others a byte."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from oakum.model.job import NewJob, Overrides, Unique


class Meta(Struct, frozen=True, array_like=True, gc=False):
    """See NewJob for the meaning of each."""

    overrides: Overrides | None = None
    tags: tuple[str, ...] = ()
    parent: bytes | None = None
    unique: Unique | None = None


_NOTHING: Final = Meta()
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Meta).decode


def pack(job: NewJob) -> bytes | None:
    """The column of a job, None for most."""
    if job.overrides is None and not job.tags and job.parent is None and job.unique is None:
        return None
    return _encode(Meta(job.overrides, job.tags, job.parent, job.unique))


def unpack(column: bytes | None) -> Meta:
    """What a column says."""
    return _NOTHING if column is None else _decode(column)


def repack(column: bytes | None, job: NewJob) -> bytes | None:
    """The column of a job that takes what another says of overrides and tags."""
    kept = unpack(column)
    return _encode(Meta(job.overrides, job.tags, kept.parent, kept.unique))
