"""Changing single values of a campaign's text, which otherwise stays as it was written."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

from campaigns.problems import CampaignError


def literal(text: str) -> Any:
    """The TOML value that `text` spells, else the text itself: `8`, `true`, `[1, 2]`, `gp_ucb`."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def overridden(text: str, overrides: Mapping[str, Any]) -> str:
    """TOML `text` with the value at each `path.to.key` replaced; None takes the key out.

    Arrays are indexed by number (`objectives.0.goal`), odd names quoted. Comments and layout
    stay. Raises CampaignError for a path that leads nowhere and a value TOML cannot hold.
    """
    if not overrides:
        return text
    wanted = tomllib.loads(text)
    for path, value in overrides.items():
        wanted = copy.deepcopy(wanted)
        _place(wanted, path, value)
    return _written(text, overrides, wanted)


def _written(text: str, overrides: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        for path, value in overrides.items():
            _place(document, path, value)
        changed = tomlkit.dumps(document)
        if tomllib.loads(changed) == wanted:
            return changed
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, ValueError):
        pass  # told below: the one thing that matters is that the text does not say it
    raise CampaignError([f"{path}: the value cannot be written here" for path in overrides])


def _place(document: Any, path: str, value: Any) -> None:
    *parents, last = _parts(path)
    here, way = document, ""
    for part in parents:
        way = f"{way}.{part}" if way else part
        if isinstance(here, list):
            here = here[_index(here, part, path)]
        elif isinstance(here, Mapping):
            if part not in here and value is None:
                return
            here = here.setdefault(part, {})  # type: ignore[attr-defined]
        if not isinstance(here, (Mapping, list)):
            raise CampaignError([f"{path}: '{way}' is a value, not a table"])
    if isinstance(here, list):
        here[_index(here, last, path)] = value
    elif value is None:
        here.pop(last, None)
    else:
        here[last] = value


def _index(array: list[Any], part: str, path: str) -> int:
    if not (part.isascii() and part.isdigit() and int(part) < len(array)):
        last = len(array) - 1
        raise CampaignError([f"{path}: '{part}' is no place in the array, which are 0 to {last}"])
    return int(part)


def _parts(path: str) -> list[str]:
    """The keys of a dotted path, as TOML reads them."""
    try:
        here: Any = tomllib.loads(f"{path} = 0")
    except tomllib.TOMLDecodeError:
        raise CampaignError([f"'{path}' is no path; write path.to.key"]) from None
    parts: list[str] = []
    while isinstance(here, dict):
        if len(here) != 1:
            raise CampaignError([f"'{path}' is no path; write path.to.key"])
        ((part, here),) = here.items()
        parts.append(part)
    return parts
