"""Trouble with the store: what it said last, and for how long it is left alone."""

from __future__ import annotations

import time
from typing import Final

BACKOFF_S: Final = 0.5


class Trouble:
    """`text` is what is amiss, "" when nothing is."""

    def __init__(self) -> None:
        self.text = ""
        self._until = 0.0

    def meet(self, error: Exception) -> None:
        """The store could not do what it was asked: it is asked again after a while."""
        self.text, self._until = str(error), time.monotonic() + BACKOFF_S

    @property
    def pause(self) -> float:
        """For how many more seconds the store is left alone."""
        return max(0.0, self._until - time.monotonic())
