"""A task's arguments on their way into bytes and back: checked against the function's signature and its annotations."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias
from typing import Any, Final

import msgspec

from oakum.errors import PayloadError, UsageError
from oakum.units import format_size

MAX_PAYLOAD: Final = 1024 * 1024
_MOST_POSITIONAL: Final = 15  # the length of a MessagePack array of up to 15 items stands in its first byte
_PLACE: Final = re.compile(r" - at `\$\[(\d+)\]")

_encode: Final = msgspec.msgpack.Encoder().encode
_encode_sorted: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_PLAIN: Final = msgspec.msgpack.Decoder()


class Arguments:
    """How one function is called, in bytes.

    Positional calls are stored as an array of values, all others as a map `{"a": [...], "k": {...}}`. Keyword arguments
    of plain parameters become positional. Values come back by the annotations: dataclasses, structs, datetimes, UUIDs,
    Decimals, enums, bytes; what is not annotated comes back as plain JSON-like values (and bytes).
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature = signature_of(function)
        self._name = getattr(function, "__qualname__", repr(function))
        parameters = list(self.signature.parameters.values())
        hints = _hints(function)
        self._plain = len(parameters) <= _MOST_POSITIONAL and all(
            each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters
        )
        self._names = [each.name for each in parameters]
        self._types = [_decodable(hints.get(name, Any)) for name in self._names]
        self._by_name = dict(zip(self._names, self._types, strict=True))
        self._required = sum(each.default is each.empty for each in parameters)
        self._typed = any(each is not Any for each in self._types)
        self._decoders: dict[int, msgspec.msgpack.Decoder[Any]] = {}
        self._result: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_decodable(hints.get("return", Any)))

    def __str__(self) -> str:
        return f"{self._name}{self.signature}"

    def pack(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], limit: int = MAX_PAYLOAD) -> bytes:
        """The bytes of a call.

        Raises UsageError when it does not fit the signature, PayloadError when a value cannot be stored or all of
        them together pass `limit` bytes.
        """
        if kwargs or not self._plain or not self._required <= len(args) <= len(self._names):
            args, kwargs = self._bind(args, kwargs)
        try:
            payload = _encode({"a": args, "k": kwargs} if kwargs or not self._plain else args)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PayloadError(
                f"{self}: an argument cannot be stored ({error}); pass plain data, or a reference"
            ) from None
        if len(payload) > limit:
            raise PayloadError(
                f"{self}: the arguments take {format_size(len(payload))}, more than {format_size(limit)};"
                " store them elsewhere and pass a reference"
            )
        if self._typed:
            self.unpack(payload)
        return payload

    def chosen(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Sequence[str] | None) -> bytes:
        """The values that a call gives to some parameters, None for all: the same bytes however they were passed, with
        defaults filled in. The call is one that `pack` has taken."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return _encode_sorted([bound.arguments[name] for name in (self._names if names is None else names)])

    def check_names(self, names: Sequence[str]) -> None:
        """Raises UsageError for a name that is none of the parameters'."""
        for name in names:
            if name not in self._by_name:
                raise UsageError(f"unique: {self} has no argument {name!r}")

    def unpack(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call in `payload`. Raises UsageError when it does not fit the annotations."""
        first = payload[0]
        try:
            if first & 0xF0 == 0x90:
                return self._decoder(first & 0x0F).decode(payload), {}
            call = _PLAIN.decode(payload)
            if self._plain:
                raise UsageError(f"{self}: the stored call has arguments that this version does not take")
            return self._convert(call["a"], call["k"])
        except msgspec.ValidationError as error:
            raise UsageError(f"{self}: {self._place(str(error))}") from None

    def result(self, data: bytes | None) -> Any:
        """A stored result, by the return annotation; as plain data where it does not fit that (any more)."""
        if data is None:
            return None
        try:
            return self._result.decode(data)
        except msgspec.ValidationError:
            return _PLAIN.decode(data)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{self}: {error}") from None
        if self._plain and bound.kwargs:  # a gap before a keyword: its default fills it
            last = max(self._names.index(name) for name in bound.arguments)
            bound.apply_defaults()
            return tuple(bound.arguments[name] for name in self._names[: last + 1]), {}
        return bound.args, bound.kwargs

    def _decoder(self, count: int) -> msgspec.msgpack.Decoder[Any]:
        decoder = self._decoders.get(count)
        if decoder is None:
            if not self._required <= count <= len(self._names):
                raise UsageError(f"{self}: the stored call has {count} arguments")
            shape: Any = tuple[tuple(self._types[:count])] if count else tuple[()]  # type: ignore[misc]
            decoder = self._decoders[count] = msgspec.msgpack.Decoder(shape)
        return decoder

    def _convert(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{self}: {error}") from None
        for name, value in bound.arguments.items():
            kind, wanted = self.signature.parameters[name].kind, self._by_name[name]
            if kind is inspect.Parameter.VAR_POSITIONAL:
                wanted = GenericAlias(tuple, (wanted, ...))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                wanted = GenericAlias(dict, (str, wanted))
            bound.arguments[name] = msgspec.convert(value, wanted, builtin_types=(bytes,))
        return bound.args, bound.kwargs

    def _place(self, message: str) -> str:
        match = _PLACE.search(message)
        if match is None:
            return message
        return f"{self._names[int(match[1])]}: {message[: match.start()]}"


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """A function's signature, its annotations resolved where they can be."""
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return inspect.signature(function)


def encode_result(value: Any, limit: int) -> bytes | None:
    """A result as bytes, None for None. Raises PayloadError when it cannot be stored or passes `limit` bytes."""
    if value is None:
        return None
    try:
        data = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadError(f"the result cannot be stored ({error}); return plain data, or a reference") from None
    if len(data) > limit:
        raise PayloadError(
            f"the result takes {format_size(len(data))}, more than {format_size(limit)}; store it elsewhere and return a reference"
        )
    return data


def plain(data: bytes | None) -> Any:
    """A stored value as plain data, without knowing its task; None for None."""
    return None if data is None else _PLAIN.decode(data)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # an annotation that cannot be resolved at run time checks nothing
        return {}


def _decodable(annotation: Any) -> Any:
    """The annotation, or Any where MessagePack cannot be decoded by it."""
    try:
        msgspec.msgpack.Decoder(annotation)
    except (TypeError, ValueError, RecursionError):
        return Any
    return annotation
