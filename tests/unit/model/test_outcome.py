"""Records of starts: every outcome comes back as it was, and long texts lose their middle."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.model.outcome import (
    MAX_TEXT,
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
    clip,
    decode_record,
    encode_record,
)

SECONDS = st.floats(0, 1e9)
BYTES = st.integers(0, 1 << 60)
OUTCOMES = st.one_of(
    st.builds(Completed, st.none() | st.binary()),
    st.builds(Failed, st.text(), st.text(), st.text(), st.integers(-1, 20)),
    st.builds(Snoozed, SECONDS),
    st.builds(Cancelled, st.text()),
    st.builds(OverBudget, BYTES, BYTES, st.text(), st.integers(1, 3), st.text()),
    st.builds(TimedOut, SECONDS, st.booleans(), st.text()),
    st.builds(Lost, st.text(), st.booleans(), st.text()),
    st.builds(Expired, st.text()),
    st.builds(Released, st.text(), st.booleans()),
)
USAGES = st.builds(Usage, BYTES, BYTES, BYTES, BYTES, st.none() | BYTES, st.booleans())


@given(OUTCOMES, st.none() | USAGES, st.integers(0, 1 << 60))
def test_a_record_comes_back_as_it_was(outcome: Outcome, usage: Usage | None, token: int) -> None:
    record = Record(token, outcome, usage)
    assert decode_record(encode_record(record)) == record


def test_each_outcome_has_a_number_of_its_own() -> None:
    """The numbers are stored: a new outcome takes the next one."""
    kinds = (Completed, Failed, Snoozed, Cancelled, OverBudget, TimedOut, Lost, Expired, Released)
    assert [kind.__struct_config__.tag for kind in kinds] == list(range(1, 10))


def test_a_plain_completion_is_small() -> None:
    assert len(encode_record(Record(1, Completed(), Usage(1_767_225_600_000, 1500, 1 << 20, 1 << 24)))) < 40


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_record(b"\x93\x01\x92\x63\xc0\xc0")


@given(st.text(), st.integers(2, 50))
def test_clipped_text_is_short_and_keeps_both_ends(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    half = limit // 2
    if len(text) <= limit:
        assert clipped == text
    else:
        assert clipped.startswith(text[:half])
        assert clipped.endswith(text[-half:])
        assert f"{len(text) - 2 * half} characters left out" in clipped


def test_a_huge_message_is_clipped_to_the_bound() -> None:
    assert len(clip("x" * 10_000_000)) < MAX_TEXT + 100
