"""Databases of these tests' own on each server, and a Django site that uses them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

DATABASES = ("sqlite", "postgresql", "mysql")


@pytest.fixture(scope="session")
def urls(tmp_path_factory, postgres_url, mysql_url):
    """The address of a fresh database of each kind."""
    name = f"oakum_purge_{os.getpid()}"
    server = urlsplit(mysql_url)
    mysql = pymysql.connect(host=server.hostname, port=server.port, user=server.username, autocommit=True)
    postgres = psycopg.connect(postgres_url, autocommit=True)
    mysql.cursor().execute(f"CREATE DATABASE {name}")
    postgres.execute(f"CREATE DATABASE {name}")
    yield {
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('purge')}/purge.db",
        "postgresql": urlsplit(postgres_url)._replace(path=f"/{name}").geturl(),
        "mysql": server._replace(path=f"/{name}").geturl(),
    }
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    mysql.cursor().execute(f"DROP DATABASE {name}")
    postgres.close()
    mysql.close()


@pytest.fixture(scope="session")
def site(urls):
    """Django, set up with all three databases and its tables made in each."""
    import django
    from django.apps import apps
    from django.conf import settings
    from django.db import connections

    pymysql.version_info = (2, 2, 7, "final", 0)  # the mysqlclient that Django asks for
    pymysql.install_as_MySQLdb()
    sys.path.insert(0, str(Path(__file__).parent))
    settings.configure(
        DATABASES={"default": _settings(urls["sqlite"])} | {kind: _settings(url) for kind, url in urls.items()},
        INSTALLED_APPS=["django.contrib.contenttypes", "purge_site"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="UTC",
    )
    django.setup()
    for kind in DATABASES:
        with connections[kind].schema_editor() as editor:
            for model in apps.get_models():
                editor.create_model(model)
    yield
    connections.close_all()


@pytest.fixture(params=DATABASES)
def alias(site, request):
    """The name of one of Django's databases, emptied."""
    from django.core.management import call_command

    call_command("flush", database=request.param, interactive=False, verbosity=0, inhibit_post_migrate=True)
    return request.param


def _settings(url):
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:]}
    return {
        "ENGINE": f"django.db.backends.{parts.scheme}",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
