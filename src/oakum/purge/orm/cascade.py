"""What deleting a Django model's rows takes with it, and what of that Django loads into memory first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import DO_NOTHING, Field, Model, QuerySet
from django.db.models.deletion import Collector, get_candidate_relations_to_delete
from django.db.models.signals import ModelSignal, post_delete, pre_delete

_DEEPEST: Final = 16  # relations followed one behind another


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rows that Django reads as objects because of a deletion: those of `model` that reach it along `path`."""

    model: type[Model]
    path: str
    relation: str

    def rows(self, deleted: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that deleting `deleted` would load along this path."""
        return self.model._base_manager.using(deleted.db).filter(**{f"{self.path}__in": deleted})


@dataclass(frozen=True, slots=True)
class Cascade:
    """How Django deletes rows of `model`: `reasons` say why it can't do so without loading them, and is empty if it can."""

    model: type[Model]
    reasons: tuple[str, ...]
    loaded: tuple[Loaded, ...]

    @property
    def fast(self) -> bool:
        """Whether Django deletes the rows themselves by SQL alone, with nothing lost."""
        return not self.reasons


def cascade_of(model: type[Model], using: str) -> Cascade:
    """What a deletion of rows of `model` in the database `using` does, by Django's own rules."""
    collector = Collector(using=using)
    if collector.can_fast_delete(model):
        return Cascade(model, (), ())
    return Cascade(model, tuple(_reasons(model)), tuple(_loaded(collector, model, "", ())))


def _reasons(model: type[Model]) -> Iterator[str]:
    for name, signal in (("pre_delete", pre_delete), ("post_delete", post_delete)):
        for receiver in _receivers(signal, model):
            yield f"{receiver} receives {name}"
    for relation in get_candidate_relations_to_delete(model._meta):
        action = relation.field.remote_field.on_delete
        if action is not DO_NOTHING:
            yield f"{relation.related_model._meta.label}.{relation.field.name} is {_name(action)}"
    for parent in model._meta.concrete_model._meta.parents:
        yield f"it is a part of {parent._meta.label}"
    for field in model._meta.private_fields:
        if hasattr(field, "bulk_related_objects"):
            yield f"the generic relation {field.name} goes with it"


def _receivers(signal: ModelSignal, model: type[Model]) -> Iterator[str]:
    """The receivers of `signal` for `model`: those connected without a sender are among them."""
    live = signal._live_receivers(model)  # noqa: SLF001  Django has no public way to name them
    for receiver in [one for group in live for one in group] if isinstance(live, tuple) else live:
        named = receiver if hasattr(receiver, "__qualname__") else type(receiver)
        yield f"{named.__module__}.{named.__qualname__}"


def _loaded(collector: Collector, model: type[Model], behind: str, seen: tuple[Any, ...]) -> Iterator[Loaded]:
    """Follows each relation to `model` that Django resolves by reading the rows at its other end."""
    for relation in get_candidate_relations_to_delete(model._meta):
        field: Field[Any, Any] = relation.field
        action = field.remote_field.on_delete
        lazily = getattr(action, "lazy_sub_objs", False)  # SET_NULL and its like: an UPDATE, nothing is read
        if action is DO_NOTHING or lazily or collector.can_fast_delete(relation.related_model, from_field=field):
            continue
        inherited = relation.model in model._meta.all_parents
        if inherited and seen and seen[-1].remote_field.parent_link:
            continue  # found from the parent already
        hops = [field.name, *_down(relation.model, model), behind] if behind else [field.name]
        path = "__".join(hops)
        yield Loaded(
            relation.related_model, path, f"{relation.related_model._meta.label}.{field.name} ({_name(action)})"
        )
        if _name(action) == "CASCADE" and field not in seen and len(seen) < _DEEPEST:
            yield from _loaded(collector, relation.related_model, path, (*seen, field))


def _down(parent: type[Model], model: type[Model]) -> list[str]:
    """The names that lead from `parent`'s part of an inherited row to `model`'s."""
    names: list[str] = []
    while model._meta.concrete_model is not parent._meta.concrete_model:
        link = model._meta.get_ancestor_link(parent)
        names.insert(0, link.related_query_name())
        model = link.remote_field.model
    return names


def _name(action: Any) -> str:
    return str(getattr(action, "__name__", type(action).__name__))
