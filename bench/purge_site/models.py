"""What the clean-up job of a bastion host deletes: sessions and, by cascade, their commands; and a log that nothing refers to."""

from django.db import models


class Session(models.Model):
    account = models.CharField(max_length=128)
    comment = models.TextField()
    date_start = models.DateTimeField(db_index=True)


class Command(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE)
    output = models.TextField()


class Event(models.Model):
    account = models.CharField(max_length=128)
    comment = models.TextField()
    date_start = models.DateTimeField(db_index=True)
