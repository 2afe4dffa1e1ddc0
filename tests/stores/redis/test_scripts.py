"""What the scripts are made of."""

from __future__ import annotations

import pytest

from oakum.store.redis.schema import VERSION
from oakum.store.redis.scripts import script


@pytest.mark.parametrize(
    ("verb", "uses", "beyond"),
    [
        ("renew", b"local version, notice", b"function unpack_job"),
        ("find", b"function unpack_job", b"function write_counts"),
        ("claim", b"function promote", b"function plan_insert"),
        ("settle", b"function plan_insert", None),
    ],
)
def test_a_script_carries_what_it_uses_and_no_more(verb, uses, beyond):
    text = script(verb, VERSION).text
    assert uses in text
    assert beyond is None or beyond not in text
