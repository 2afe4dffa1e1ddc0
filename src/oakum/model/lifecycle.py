"""The whole state machine of a job: what becomes of it when a start of it has ended."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from oakum.errors import NotEnqueued
from oakum.model.job import Claimed, NewJob, State
from oakum.model.outcome import (
    Cancelled,
    Completed,
    Expired,
    Failed,
    Lost,
    Outcome,
    OverBudget,
    Record,
    Released,
    Snoozed,
    TimedOut,
    Usage,
    encode_record,
)
from oakum.model.retry import NEVER, RetryRule
from oakum.model.task import DEFAULT_RESULT_TTL_S, TaskSpec

LARGEST_OVER: Final = 3  # starts over budget: as limited, with twice the limit, alone at the ceiling; then quarantine
CRASH_DELAY_S: Final = 1.0
SUSPECT_DELAY_S: Final = 10.0
STARTS_KEPT: Final = 20  # of a job's story, with what they printed
DEFAULT_KEPT_MS: Final = int(DEFAULT_RESULT_TTL_S * 1000)
KEYS_KEPT_MS: Final = 86_400_000  # an idempotency key outlives its job by a day


class Settlement(Struct, frozen=True, gc=False):
    """One job's next state, for the store to write: the only way in which a started job changes.

    `ref` and `token` are the fence, `id` is the job's. Times are wall milliseconds; `run_at_ms` 0 keeps the job's place in its queue.
    `size` is that of the payload, `key` the job's, if it has one. `record` is what is known of this start; `story` says to keep it among the job's earlier starts too. `log` is what
    the job printed; `follow` are jobs to be inserted in the same commit.
    """

    ref: int
    token: int
    queue: str
    task: str
    state: State
    run_at_ms: int = 0
    ended_ms: int | None = None
    keep_until_ms: int | None = None
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False
    record: bytes | None = None
    story: bool = False
    log: bytes | None = None
    follow: tuple[NewJob, ...] = ()
    size: int = 0
    key: str | None = None
    id: bytes = b""


class Ending(Struct, frozen=True):
    """How a waiting job ends: its state, its record, and for how many milliseconds it is kept."""

    state: State
    record: bytes
    kept_ms: int = DEFAULT_KEPT_MS


EXPIRED: Final = Ending(State.EXPIRED, encode_record(Record(0, Expired())))
CANCELLED: Final = Ending(State.CANCELLED, encode_record(Record(0, Cancelled("before it started"))))
NOT_AGAIN: Final = Ending(State.CANCELLED, encode_record(Record(0, Cancelled("before it could start again"))))


def settle(
    job: Claimed,
    outcome: Outcome,
    usage: Usage | None,
    spec: TaskSpec,
    now_ms: int,
    luck: float,
    *,
    may_grow: bool = False,
    log: bytes | None = None,
    follow: tuple[NewJob, ...] = (),
) -> Settlement:
    """What `outcome` makes of `job`.

    `luck` in [0, 1) spreads retries; `may_grow` says whether a larger memory limit than the one just broken is allowed.
    A completed job keeps its record in place; every other start is also kept in the job's story.
    """
    ttl_s = spec.result_ttl_s
    if job.overrides is not None and job.overrides.result_ttl_s is not None:
        ttl_s = job.overrides.result_ttl_s
    record = encode_record(Record(job.token, outcome, usage))
    if type(outcome) is Completed:  # nearly all jobs: no further question
        keep = now_ms + int(ttl_s * 1000)
        return Settlement(
            job.ref, job.token, job.queue, job.task, State.COMPLETED, 0, now_ms, keep,
            job.tries, job.crashes, job.over, False, record, False, log, follow, len(job.payload), job.key, job.id,
        )  # fmt: skip
    verdict = _judge(job, outcome, spec, luck, may_grow)
    ended = verdict.state.terminal
    return Settlement(
        ref=job.ref,
        token=job.token,
        queue=job.queue,
        task=job.task,
        state=verdict.state,
        run_at_ms=now_ms + int(verdict.delay_s * 1000) if verdict.delay_s > 0 else 0,
        ended_ms=now_ms if ended else None,
        keep_until_ms=now_ms + int(ttl_s * 1000) if ended else None,
        tries=job.tries + verdict.tries,
        crashes=job.crashes + verdict.crashes,
        over=job.over + verdict.over,
        suspect=verdict.suspect,
        record=record,
        story=type(outcome) is not Released,
        log=log,
        size=len(job.payload),
        key=job.key,
        id=job.id,
    )


def not_followed(error: NotEnqueued, spec: TaskSpec) -> Failed:
    """How a job ends whose own work is done and whose `on_success` jobs were refused: it is tried again as its task says."""
    kind = type(error)
    message = f"what it enqueued for its success was refused: {error}"
    return Failed(f"{kind.__module__}.{kind.__qualname__}", message, retry=len(spec.retry) - 1)


class _Verdict(Struct, frozen=True):
    """The next state, in how many seconds, and which budget this start is charged to."""

    state: State
    delay_s: float = 0.0
    tries: int = 0
    crashes: int = 0
    over: int = 0
    suspect: bool = False


def _judge(job: Claimed, outcome: Outcome, spec: TaskSpec, luck: float, may_grow: bool) -> _Verdict:
    match outcome:
        case Failed(retry=rule):
            return _retry(job, _rule(job, spec, rule), luck)
        case TimedOut():
            return _retry(job, _rule(job, spec, len(spec.retry) - 1), luck)
        case Snoozed(delay_s=delay):
            return _later(delay)
        case Cancelled():
            return _Verdict(State.CANCELLED)
        case Expired():
            return _Verdict(State.EXPIRED)
        case OverBudget():
            if may_grow and job.over + 1 < LARGEST_OVER:
                return _Verdict(State.AVAILABLE, over=1)
            return _Verdict(State.QUARANTINED, over=1)
        case Lost(host=host):
            if job.crashes + 1 >= spec.crash_budget:
                return _Verdict(State.QUARANTINED, crashes=1)
            delay = SUSPECT_DELAY_S if host else CRASH_DELAY_S * 2**job.crashes
            return _Verdict(State.SCHEDULED, delay, crashes=1, suspect=host)
        case Released(alone=alone):
            return _Verdict(State.AVAILABLE, suspect=alone or job.suspect)
        case Completed():
            return _Verdict(State.COMPLETED)


def _retry(job: Claimed, rule: RetryRule, luck: float) -> _Verdict:
    delay = rule.delay(job.tries + 1, luck)
    if delay is None:
        return _Verdict(State.FAILED, tries=1)
    return _Verdict(State.SCHEDULED if delay > 0 else State.AVAILABLE, delay, tries=1)


def _later(delay_s: float) -> _Verdict:
    return _Verdict(State.SCHEDULED if delay_s > 0 else State.AVAILABLE, delay_s)


def _rule(job: Claimed, spec: TaskSpec, place: int) -> RetryRule:
    if place < 0:
        return NEVER
    rule = spec.retry[min(place, len(spec.retry) - 1)]
    if job.overrides is not None and job.overrides.retries is not None:
        return RetryRule(job.overrides.retries, rule.delay_s, rule.factor, rule.max_delay_s, rule.jitter)
    return rule
