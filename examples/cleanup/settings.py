"""The smallest Django project that has the incident's shape."""

import os

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("CLEANUP_DATABASE", "cleanup.db"),
        "OPTIONS": {"timeout": 30, "init_command": "PRAGMA journal_mode = WAL"},
    }
}
INSTALLED_APPS = ["terminal"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
SECRET_KEY = "an example"
