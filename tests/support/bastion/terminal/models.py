"""Sessions, and the commands typed in them: by an epoch number and without a foreign key."""

import uuid

from django.db import models


class Session(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    date_start = models.DateTimeField(db_index=True)


class Command(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    session = models.CharField(max_length=36)
    timestamp = models.IntegerField(db_index=True)
