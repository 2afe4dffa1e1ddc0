"""A store's URL as it may be told: logs and screens are no place for passwords."""

from __future__ import annotations


def shown_url(url: str) -> str:
    """A URL without the user and the password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
