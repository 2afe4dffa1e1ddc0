"""The tables in PostgreSQL, and how an older schema becomes a present one: forward only, one process at a time."""

from __future__ import annotations

from typing import Final

from oakum.errors import NotAStore, StoreTooNew
from oakum.store.postgres.address import Address
from oakum.store.postgres.db import Db

VERSION: Final = 1
_LOCK: Final = 0x4F414B4D  # "OAKM"

# Columns stand in the order of their alignment, so that none is padded; what most jobs lack is NULL and takes a bit.
# There is no index by seq: a waiting job is found by its order or its id, a running one by its holder and seq.
_V1: Final = """
CREATE TABLE oakum.name(number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text COLLATE "C" NOT NULL UNIQUE);
CREATE TABLE oakum.job(
    seq bigint GENERATED ALWAYS AS IDENTITY,
    run_at bigint NOT NULL,         -- wall milliseconds, like all times but leases
    queue integer NOT NULL,
    task integer NOT NULL,
    token integer NOT NULL DEFAULT 0,   -- claims so far: the fence
    rank smallint NOT NULL,         -- priority, negated: the smallest comes first
    state smallint NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    crashes smallint NOT NULL DEFAULT 0,
    over smallint NOT NULL DEFAULT 0,
    suspect boolean NOT NULL DEFAULT false,
    id uuid NOT NULL,
    payload bytea NOT NULL,
    holder bigint,
    expires_at bigint,
    ended bigint,
    keep_until bigint,
    asked boolean,                  -- somebody wants it stopped
    marked boolean,                 -- it has rows in mark
    placed boolean,                 -- whether it has a place of its key; NULL without a key
    key text COLLATE "C",           -- one at a time in its queue
    meta bytea,                     -- what few jobs have
    note bytea,                     -- its progress
    record bytea
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE UNIQUE INDEX job_id ON oakum.job(id);
CREATE INDEX job_ready ON oakum.job(queue, task, rank, run_at, seq) WHERE state = 0;
CREATE INDEX job_running ON oakum.job(holder, seq) WHERE state = 1;
CREATE INDEX job_due ON oakum.job(run_at, seq) WHERE state = 2;
CREATE INDEX job_ended ON oakum.job(keep_until) WHERE state > 3;
CREATE INDEX job_expiry ON oakum.job(expires_at) WHERE expires_at IS NOT NULL AND state IN (0, 2, 3);
CREATE INDEX job_held ON oakum.job(queue, key, rank, run_at, seq) WHERE state = 3;
CREATE INDEX job_key ON oakum.job(queue, key) WHERE key IS NOT NULL AND state < 4;
CREATE INDEX job_placed ON oakum.job(queue, key) WHERE placed;
CREATE TABLE oakum.line(queue integer, key text COLLATE "C", arrival double precision NOT NULL DEFAULT 0,
    PRIMARY KEY(queue, key));       -- a key in use: its lock, and the theoretical arrival time of its rate
CREATE TABLE oakum.rule(kind text COLLATE "C", name text COLLATE "C", declared bytea, override bytea,
    bounded boolean NOT NULL, limited boolean NOT NULL,     -- what the rules in force have
    arrival double precision NOT NULL DEFAULT 0, PRIMARY KEY(kind, name));
CREATE TABLE oakum.credit(queue integer NOT NULL, transaction bigint NOT NULL, jobs bigint NOT NULL, bytes bigint NOT NULL);
CREATE TABLE oakum.schedule(name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, next bigint, spec bytea NOT NULL,
    state bytea NOT NULL);
CREATE INDEX schedule_next ON oakum.schedule(next) WHERE next IS NOT NULL;
CREATE TABLE oakum.memo(name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE oakum.mark(key bytea PRIMARY KEY, seq bigint NOT NULL, id uuid NOT NULL, until bigint);
CREATE INDEX mark_seq ON oakum.mark(seq);
CREATE INDEX mark_until ON oakum.mark(until) WHERE until IS NOT NULL;
CREATE TABLE oakum.start(seq bigint, token integer, ended bigint NOT NULL, record bytea NOT NULL, PRIMARY KEY(seq, token));
CREATE TABLE oakum.log(seq bigint, token integer, text bytea NOT NULL, PRIMARY KEY(seq, token));
CREATE TABLE oakum.tally(queue integer, task integer, state smallint, jobs bigint NOT NULL, bytes bigint NOT NULL,
    PRIMARY KEY(queue, task, state));
CREATE TABLE oakum.delta(queue integer NOT NULL, task integer NOT NULL, state smallint NOT NULL, jobs bigint NOT NULL,
    bytes bigint NOT NULL)          -- what has changed since the tally was last written: see tally.py
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE oakum.holder(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lease_until bigint NOT NULL,    -- boot milliseconds of the holder's host
    fenced boolean NOT NULL DEFAULT false,
    identity bytea NOT NULL,
    report bytea NOT NULL DEFAULT '',
    waits integer[]                 -- the queues that it found empty, until somebody has rung for one of them
) WITH (fillfactor = 50);
CREATE TABLE oakum.measured(task integer PRIMARY KEY, stats bytea NOT NULL);
CREATE TABLE oakum.paused(queue integer PRIMARY KEY);
CREATE TABLE oakum.schema(version integer NOT NULL);
INSERT INTO oakum.schema(version) VALUES(0);
"""

# Read from the catalogue, not by to_regclass: that answers from a cache, which does not know what was made a moment ago.
_THERE: Final = """
SELECT coalesce(bool_or(relname = 'schema'), false), count(*) > 0
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1
"""
_STEPS: Final = (_V1,)  # step n makes version n + 1 of version n; forward only


def version(db: Db, address: Address) -> int | None:
    """The version of the schema, None where there is no store. Raises StoreTooNew, and NotAStore for others' schemas."""
    ours, used = db.one(_THERE, (address.schema,))
    if not ours:
        if used:
            raise NotAStore(f"{address.shown}: this schema is in use, but not by Oakum; give the store one of its own")
        return None
    number = int(db.one("SELECT version FROM oakum.schema")[0])
    refuse_newer(number, address.shown)
    return number


def refuse_newer(number: int, shown: str) -> None:
    """Raises StoreTooNew for the number of a later version."""
    if number > VERSION:
        raise StoreTooNew(
            f"{shown}: schema {number} was written by a newer Oakum than this one, which knows {VERSION}; upgrade Oakum here"
        )


def prepare(db: Db, address: Address) -> None:
    """Brings the schema to the present version, if it is not there yet. Raises what `version` does."""
    if version(db, address) == VERSION:
        return
    with db.raw.transaction():
        db.run("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", (address.schema, _LOCK))
        known = version(db, address)
        if known is None:
            db.run(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
        for step in _STEPS[known or 0 :]:
            db.script(step)
        db.run("UPDATE oakum.schema SET version = $1", (VERSION,))
