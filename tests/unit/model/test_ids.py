"""Ids as people read them: 26 letters, there and back, in the same order; and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.errors import UsageError
from oakum.model.ids import id_text, id_wall_ms, parse_id

IDS = st.binary(min_size=16, max_size=16)


@given(IDS)
def test_an_id_is_read_back_from_its_letters(job_id: bytes) -> None:
    text = id_text(job_id)
    assert len(text) == 26
    assert parse_id(text) == job_id
    assert parse_id(f"  {text.upper()}\n") == job_id


@given(IDS, IDS)
def test_letters_sort_as_ids_do(one: bytes, other: bytes) -> None:
    assert (id_text(one) < id_text(other)) == (one < other)


@given(st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
def test_an_id_tells_when_it_was_made(wall_ms: int, rest: bytes) -> None:
    assert id_wall_ms(wall_ms.to_bytes(6, "big") + rest) == wall_ms


@pytest.mark.parametrize(
    "text",
    ["", "0", "0" * 25, "0" * 27, "8" + "0" * 25, "z" * 26, "0" * 25 + "l", "0" * 25 + "-", "0" * 13 + " " + "0" * 12],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="26 letters"):
        parse_id(text)


@given(st.text(max_size=30))
def test_odd_text_is_refused_or_read(text: str) -> None:
    try:
        assert len(parse_id(text)) == 16
    except UsageError as error:
        assert "\n" not in str(error)
