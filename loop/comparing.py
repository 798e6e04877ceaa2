"""When two derivations count as the same, and which packages may explain that they are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loop.environment import environment
from loop.events import Event

TOLERANCE = 1e-6  # relative, where package versions differ
NO_MATTER = frozenset({"host", "platform", "revision"})


def differences(events: Iterable[Event]) -> tuple[str, ...]:
    """Packages whose version is not the one every engine of the campaign had."""
    now = environment()
    found: dict[str, None] = {}
    for event in events:
        recorded = getattr(event.body, "environment", None)
        for package, version in (recorded or {}).items():
            here = now.get(package, "missing")
            if package not in NO_MATTER and version != here:
                found[f"{package}: {version} then, {here} now"] = None
    return tuple(found)


def close(one: Any, other: Any, tolerance: float) -> bool:
    """Equal up to a relative tolerance in every number of two JSON values."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(close(one[k], other[k], tolerance) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            close(a, b, tolerance) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance * max(abs(one), abs(other), 1e-300)
    return bool(one == other)
