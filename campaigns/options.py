"""Options of an optimiser, instrument or surrogate: from a table of the file to a frozen value."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from campaigns.findings import lines, path, said, shown
from campaigns.problems import CampaignError, unknown

T = TypeVar("T")

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


def build(cls: type[T], options: Mapping[str, Any], where: str) -> T:
    """`options` as an instance of `cls`, a dataclass (of the standard library or pydantic) or a
    pydantic model; `where` is the key they stand under, such as `optimizer.options`.

    Types must fit as written: no text for a number, no truth value for a number; arrays become
    tuples where `cls` wants tuples, tables become the dataclasses it wants. Raises CampaignError
    with every unknown option, missing option, wrong type and wrong value.
    """
    mistakes: list[str] = []
    value = _read(cls, dict(options), where, mistakes)
    if mistakes:
        raise CampaignError(mistakes)
    return value  # type: ignore[no-any-return]


def _read(wanted: Any, value: Any, where: str, mistakes: list[str]) -> Any:
    """`value` as the annotation `wanted` asks for; what is wrong is added to `mistakes`."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return _model(wanted, value, where, mistakes)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _dataclass(wanted, value, where, mistakes)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return _enum(wanted, value, where, mistakes)
    if origin in (Union, types.UnionType):
        return _union(inner, value, where, mistakes)
    if origin is Annotated and not inner[1:]:
        return _read(inner[0], value, where, mistakes)
    if isinstance(value, Mapping) and _is(origin, Mapping) and len(inner) == 2:
        return {
            key: _read(inner[1], one, f"{where}.{path([str(key)])}", mistakes)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)) and _is(origin, Sequence) and inner:
        return _sequence(origin, inner, value, where, mistakes)
    return _plain(wanted, value, where, mistakes)


def _is(origin: Any, base: type) -> bool:
    return isinstance(origin, type) and issubclass(origin, base)


def _model(cls: type[BaseModel], value: Any, where: str, mistakes: list[str]) -> Any:
    allowed = list(cls.model_fields)
    if isinstance(value, Mapping):
        mistakes += _unknown(value, allowed, where)
        value = {key: one for key, one in value.items() if key in allowed}
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        for line in lines(error, cls, value):
            mistakes.append(f"{where}.{line}" if error.errors()[0]["loc"] else f"{where}: {line}")
    return None


def _dataclass(cls: type, value: Any, where: str, mistakes: list[str]) -> Any:
    if not isinstance(value, Mapping):
        mistakes.append(f"{where}: {shown(value)} is not allowed; a table is needed")
        return None
    hints = get_type_hints(cls, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    found = list(_unknown(value, list(fields), where))
    ready = {}
    for name, field in fields.items():
        if name in value:
            ready[name] = _read(hints[name], value[name], f"{where}.{path([name])}", found)
        elif field.default is field.default_factory is dataclasses.MISSING:
            found.append(f"{where}.{name}: is missing")
    mistakes += found
    return None if found else _made(cls, ready, where, mistakes)


def _made(cls: type, ready: Mapping[str, Any], where: str, mistakes: list[str]) -> Any:
    """`cls` itself judges what types cannot tell."""
    try:
        return cls(**ready)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            place = path(one["loc"])
            mistakes.append(f"{where}{'.' if place else ''}{place}: {said(one)}")
    except CampaignError as error:
        mistakes += error.problems
    except ValueError as error:
        text = str(error)
        named = text.split(":", 1)[0] in ready or text.split(" ", 1)[0] in ready
        mistakes.append(f"{where}.{text}" if named else f"{where}: {text}")
    return None


def _unknown(value: Mapping[str, Any], allowed: list[str], where: str) -> list[str]:
    return [
        f"{where}.{path([str(key)])}: {unknown('option', str(key), allowed)}"
        for key in value
        if key not in allowed
    ]


def _enum(wanted: type[Enum], value: Any, where: str, mistakes: list[str]) -> Any:
    try:
        return wanted(value)
    except ValueError:
        allowed = [str(one.value) for one in wanted]
        mistakes.append(f"{where}: {shown(value)}: {unknown('value', str(value), allowed)}")
    return None


def _union(inner: Sequence[Any], value: Any, where: str, mistakes: list[str]) -> Any:
    """The first member that fits; else what the member nearest to fitting has to say."""
    if value is None and type(None) in inner:
        return None
    attempts: list[list[str]] = []
    for member in inner:
        if member is type(None):
            continue
        found: list[str] = []
        result = _read(member, value, where, found)
        if not found:
            return result
        attempts.append(found)
    deeper = [found for found in attempts if not found[0].startswith(f"{where}: ")]
    if deeper:
        mistakes += deeper[0]
    else:
        needs = dict.fromkeys(line.rsplit("; ", 1)[-1] for found in attempts for line in found)
        mistakes.append(f"{where}: {shown(value)} is not allowed; {', or '.join(needs)}")
    return None


def _sequence(
    origin: type, inner: Sequence[Any], value: Sequence[Any], where: str, mistakes: list[str]
) -> Any:
    if origin is not tuple:
        return [_read(inner[0], one, f"{where}[{i}]", mistakes) for i, one in enumerate(value)]
    if len(inner) == 2 and inner[1] is ...:
        members: Sequence[Any] = [inner[0]] * len(value)
    else:
        members = inner
    if len(members) != len(value):
        mistakes.append(f"{where}: {shown(value)} is not allowed; {len(members)} values are needed")
        return None
    return tuple(
        _read(member, one, f"{where}[{i}]", mistakes)
        for i, (member, one) in enumerate(zip(members, value, strict=True))
    )


def _plain(wanted: Any, value: Any, where: str, mistakes: list[str]) -> Any:
    try:
        adapter = TypeAdapter(wanted, config=_STRICT)
    except PydanticUserError:
        adapter = TypeAdapter(wanted)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            place = path([part for part in one["loc"] if isinstance(part, int)])
            mistakes.append(f"{where}{place}: {said(one)}")
    return None
