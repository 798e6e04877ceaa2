"""What pydantic finds wrong, said in our own words: one line a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from campaigns.problems import unknown

_NEEDED = {
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "int_parsing_size": "the number is too large",
    "float_type": "a number is needed",
    "finite_number": "a finite number is needed",
    "string_type": "a text is needed",
    "bool_type": "true or false is needed",
    "list_type": "an array is needed",
    "dict_type": "a table is needed",
    "model_type": "a table is needed",
    "model_attributes_type": "a table is needed",
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "at least {min_length} needed",
}


def shown(value: object) -> str:
    """A value as it stands in the file, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def path(parts: Sequence[str | int]) -> str:
    """`space.parameters.cc1.choices[2]`; names that are no bare TOML keys are quoted."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else shown(part))
    return text


def lines(error: ValidationError, model: type[BaseModel], tables: object) -> list[str]:
    """One line a mistake of `error`, which validating `tables` as `model` has raised."""
    found = []
    for one in error.errors(include_url=False):
        place, owner = _followed(one["loc"], model, tables)
        if place is None:
            continue
        if one["type"] == "extra_forbidden":
            what = unknown("key", str(place[-1]), list(owner.model_fields) if owner else [])
        else:
            what = said(one)
        found.append(f"{path(place)}: {what}" if place else what)
    return list(dict.fromkeys(found))


def said(one: Mapping[str, Any]) -> str:
    """What is wrong and what is allowed, for a pydantic error."""
    kind, context = one["type"], one.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        value = one["input"]
        if isinstance(value, str):
            return f"{shown(value)}: {unknown('value', value, allowed)}"
        return f"{shown(value)} is not allowed; allowed: {', '.join(allowed)}"
    needed = _NEEDED.get(kind)
    if needed is None:
        return f"{shown(one['input'])}: {one['msg']}"
    return f"{shown(one['input'])} is not allowed; {needed.format(**context)}"


def _followed(
    parts: Sequence[str | int], model: type[BaseModel], tables: object
) -> tuple[list[str | int] | None, type[BaseModel] | None]:
    """The keys among `parts` and the model that owns the last one.

    Where a value may be a number or a table pydantic complains of both and puts a word for the
    alternative among the keys. The word is taken out; None stands for a complaint about the
    alternative that is not meant.
    """
    here: Any = model
    owner: type[BaseModel] | None = None
    place: list[str | int] = []
    for part in parts:
        members = _alternatives(here)
        if len(members) > 1:
            is_table = isinstance(tables, dict)
            if is_table != (part == "TargetTable" or str(part).startswith("dict")):
                return None, None
            here = next(m for m in members if _is_table(m) == is_table)
            continue
        here = members[0] if members else None
        if part == "[key]":
            continue
        place.append(part)
        tables = _value(tables, part)
        owner = here if isinstance(here, type) and issubclass(here, BaseModel) else None
        if owner is not None:
            field = owner.model_fields.get(str(part))
            here = field.annotation if field else None
        else:
            here = (get_args(here) or (None,))[-1]
    return place, owner


def _alternatives(annotation: Any) -> list[Any]:
    """The types a value may have: `X | Y | None` without None, `Annotated[X, …]` as X."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        members = [_alternatives(m) for m in get_args(annotation) if m is not type(None)]
        return [m for inner in members for m in inner]
    return [annotation]


def _is_table(member: Any) -> bool:
    model = isinstance(member, type) and issubclass(member, BaseModel)
    return model or get_origin(member) is dict


def _value(tables: object, part: str | int) -> object:
    if isinstance(tables, dict):
        return tables.get(part)
    if isinstance(tables, list) and isinstance(part, int) and part < len(tables):
        return tables[part]
    return None
