"""Where a store is: what a URL says to libpq, and what it says to us."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oakum.errors import UsageError

DEFAULT_SCHEMA: Final = "oakum"
_SCHEMA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")  # a channel's name has it, too: 63 bytes at most
_PARAMETERS: Final[
    dict[str, Any]
] = {  # of libpq, since they hold behind a pooler, too; those of the URL go before them
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "fallback_application_name": "oakum",
}


class Address(NamedTuple):
    """`conninfo` is libpq's, `schema` holds the store's tables, `shown` is the URL without what is secret in it."""

    conninfo: str
    schema: str
    shown: str


def read_address(url: str) -> Address:
    """The address in `postgresql://user@host:port/database?schema=oakum`; all other parameters are libpq's.

    Raises UsageError for a URL that libpq does not understand, and for a schema that is no plain name.
    """
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    schema = next((value for name, value in parameters if name == "schema"), DEFAULT_SCHEMA)
    rest = urlencode([(name, value) for name, value in parameters if name != "schema"])
    if _SCHEMA_NAME.fullmatch(schema) is None or schema.startswith("pg_"):
        raise UsageError(f"store: schema={schema!r} is no plain name; use small letters, digits and _, at most 48")
    conninfo = parts._replace(scheme="postgresql", query=rest).geturl()
    try:
        known = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise UsageError(f"store: {error}; write it like 'postgresql://user@host/database?schema=oakum'") from None
    user = f"{known['user']}@" if "user" in known else ""
    host, port = known.get("host", ""), f":{known['port']}" if "port" in known else ""
    conninfo = make_conninfo("", **{**_PARAMETERS, **known})
    return Address(conninfo, schema, f"postgresql://{user}{host}{port}/{known.get('dbname', '')}?schema={schema}")
