"""One model for each thing that a deletion may bring about."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Plain(models.Model):
    created = models.DateTimeField(db_index=True)
    status = models.CharField(max_length=20, default="")
    epoch = models.IntegerField(null=True)
    day = models.DateField(null=True)


class Keyed(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    created = models.DateTimeField()


class Parent(models.Model):
    created = models.DateTimeField()
    tags = GenericRelation("Tag")


class Child(models.Model):
    parent = models.ForeignKey(Parent, on_delete=models.CASCADE, related_name="children")


class Grandchild(models.Model):
    child = models.ForeignKey(Child, on_delete=models.CASCADE)


class Note(models.Model):
    parent = models.ForeignKey(Parent, on_delete=models.SET_NULL, null=True)


class Tag(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey()


class Guarded(models.Model):
    created = models.DateTimeField()


class Guard(models.Model):
    guarded = models.ForeignKey(Guarded, on_delete=models.PROTECT)


class Tree(models.Model):
    above = models.ForeignKey("self", on_delete=models.CASCADE, null=True)
    created = models.DateTimeField()


class Base(models.Model):
    created = models.DateTimeField()


class Derived(Base):
    more = models.CharField(max_length=20, default="")


class BaseNote(models.Model):
    base = models.ForeignKey(Base, on_delete=models.CASCADE)
    tags = GenericRelation(Tag)


class Owner(models.Model):
    created = models.DateTimeField()


class Owned(Base):
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE)


class SoftQuerySet(models.QuerySet):
    def delete(self):
        return self.update(gone=True)


class Soft(models.Model):
    created = models.DateTimeField()
    gone = models.BooleanField(default=False)
    objects = SoftQuerySet.as_manager()
