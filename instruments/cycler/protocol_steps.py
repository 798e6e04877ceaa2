"""The steps of a cycling protocol: its keys, its C-rates, and where its loops lead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from instruments.base import Problem

STEP_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "open_circuit_voltage": ("until_time_s",),
    "constant_current": ("rate_C", "current_mA", "until_time_s", "until_voltage_V"),
    "constant_voltage": ("voltage_V", "until_time_s", "until_rate_C", "until_current_mA"),
    "impedance_spectroscopy": (
        "amplitude_V", "amplitude_mA", "start_frequency_Hz", "end_frequency_Hz",
        "points_per_decade", "measures_per_point", "drift_correction",
    ),
    "voltage_scan": ("start_voltage_V", "end_voltage_V", "scan_rate_mV_per_s"),
    "loop": ("loop_to", "cycle_count"),
    "tag": ("tag",),
}  # fmt: skip

_RATE = re.compile(r"([CD]?)([0-9]*\.?[0-9]*)([CD]?)/([0-9]*\.?[0-9]*)")


def c_rate(text: str) -> float | None:
    """A rate in 1/h written as a fraction: C/2, 2C/3, D/2 (discharge), 1/2; else None."""
    found = _RATE.fullmatch(text.replace(" ", ""))
    if found is None or (found[1] and found[3]):
        return None
    letter = found[1] or found[3]
    try:
        rate = (float(found[2]) if found[2] or not letter else 1.0) / float(found[4])
    except (ValueError, ZeroDivisionError):
        return None
    return -rate if letter == "D" else rate


def layout(method: Sequence[Any]) -> list[Problem]:
    """Loops that lead nowhere, forwards, or round for ever; tags that are empty or given twice."""
    found: list[Problem] = []
    tags: dict[str, int] = {}
    for i, step in enumerate(method):
        kind = step.get("step") if isinstance(step, Mapping) else None
        if kind == "tag":
            reason = _tag(step.get("tag"), i, tags)
            found += [Problem(f"method[{i}].tag", reason)] if reason else []
        elif kind == "loop":
            reason = _target(step.get("loop_to", 1), i, tags)
            found += [Problem(f"method[{i}].loop_to", reason)] if reason else []
            count = step.get("cycle_count")
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                told = f"{count!r} is not allowed; a whole number >= 1 is"
                found.append(Problem(f"method[{i}].cycle_count", told))
    return found


def _tag(tag: Any, i: int, tags: dict[str, int]) -> str:
    if not isinstance(tag, str) or not tag.strip():
        return f"{tag!r} is not allowed; a text is needed"
    if tag in tags:
        return f"{tag!r} is given twice; a loop to it could mean either"
    tags[tag] = i
    return ""


def _target(to: Any, i: int, tags: Mapping[str, int]) -> str:
    """A loop at place i leads to a tag before it, or to a step's number counted from 1."""
    if isinstance(to, str):
        if to not in tags:
            return f"{to!r} is no tag before the loop"
        return "starts immediately after its tag: nothing is repeated" if i == tags[to] + 1 else ""
    if not isinstance(to, int) or isinstance(to, bool) or not 1 <= to < max(i, 1):
        return f"{to!r} is not allowed; a tag, or the number of a step before it, is"
    return ""
