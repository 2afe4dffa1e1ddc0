"""Oakum: background work for Python that runs inside a memory budget."""

from oakum._version import __version__

__all__ = ["__version__"]
