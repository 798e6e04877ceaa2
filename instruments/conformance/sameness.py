"""Where two results differ; measured data are compared bit for bit."""

from __future__ import annotations

from instruments.base import Result, Series


def difference(one: Result, other: Result) -> str:
    """The first thing in which two results differ; "" where they are the same."""
    if one.state != other.state:
        return f"{one.state} and {other.state}"
    if dict(one.scalars) != dict(other.scalars):
        return f"{dict(one.scalars)} and {dict(other.scalars)}"
    if one.series is None or other.series is None:
        return "" if one.series is other.series else "only one has a series"
    return _apart(one.series, other.series)


def _apart(one: Series, other: Series) -> str:
    for name in ("cycles", "voltage", "curves", "curve_cycles"):
        if getattr(one, name).dtype != getattr(other, name).dtype:
            return f"types of {name}"
        if getattr(one, name).tobytes() != getattr(other, name).tobytes():
            return name
    if one.summary.keys() != other.summary.keys():
        return f"{sorted(one.summary)} and {sorted(other.summary)}"
    for name, values in one.summary.items():
        if values.tobytes() != other.summary[name].tobytes():
            return name
    return ""
