"""What is needed to make jobs for stores."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("oakum.testing.conformance")
