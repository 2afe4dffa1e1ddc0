"""Stores to try, and what is needed to make jobs for them."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("oakum.testing.conformance")
