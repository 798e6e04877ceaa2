"""Faults that a campaign file orders for certain trials of a simulated instrument."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

Kind = TypeVar("Kind", bound=Enum)


def forced(faults: Mapping[str, str], kinds: type[Kind]) -> dict[int, tuple[Kind, int | None]]:
    """Trial number -> fault and attempt (None: every one), from `force_faults` as written.

    Raises ValueError, option first, for an entry that names no trial or no fault of `kinds`.
    """
    return dict(_entry(trial, fault, kinds) for trial, fault in faults.items())


def _entry(trial: str, fault: str, kinds: type[Kind]) -> tuple[int, tuple[Kind, int | None]]:
    kind, colon, attempt = fault.partition(":")
    names = [str(one.value) for one in kinds]
    if not trial.isdecimal() or kind not in names or (colon and not attempt.isdecimal()):
        raise ValueError(
            f"force_faults: {trial} = {fault!r} is not allowed; a trial number = one of "
            f'{", ".join(names)}, with ":N" behind it for attempt N alone, is'
        )
    return int(trial), (kinds(kind), int(attempt) if colon else None)
