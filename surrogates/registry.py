"""Early predictors by name: a table of lazy targets, and the entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

TARGETS: Mapping[str, str] = {"cycle_life": "surrogates.cycle_life:CycleLifeModel"}
GROUP = "leyden.surrogates"


def known() -> tuple[str, ...]:
    """Every kind that can be made here, ours first."""
    return (*TARGETS, *sorted({e.name for e in entry_points(group=GROUP)} - set(TARGETS)))


def target(kind: str) -> Any:
    """The class behind a kind. Raises KeyError for a kind that is not known."""
    if kind in TARGETS:
        module, _, name = TARGETS[kind].partition(":")
        return getattr(import_module(module), name)
    for entry in entry_points(group=GROUP, name=kind):
        return entry.load()
    raise KeyError(kind)
