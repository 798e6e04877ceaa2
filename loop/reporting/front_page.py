"""The trade-offs of several objectives as the report's page tells them."""

from __future__ import annotations

from typing import Any

from loop.reporting import parallel, tradeoffs
from loop.reporting.front import believed, recommended, reference_text
from loop.reporting.hypervolume import Growth
from loop.reporting.record import Record
from loop.summary import ordered, parameter_units, value_text


def front_section(record: Record, growth: Growth | None) -> dict[str, Any]:
    """Rows of the model's front, the reference point in words, and how much the figures show."""
    state, objectives = record.state, record.campaign.objectives
    units, front = parameter_units(state), believed(state)
    names = list(ordered(state, front[0][0])) if front else []
    reference = None
    if growth is not None:
        reference = reference_text(objectives, growth.reference.tolist())
    return {
        "parameters": [_head(name, units[name]) for name in names],
        "objectives": [_head(one.metric, one.unit) for one in objectives],
        "rows": [
            {
                "point": [value_text(setting[name]) for name in names],
                "estimates": [estimates[one.metric] for one in objectives],
                "chosen": recommended(state, setting),
            }
            for setting, estimates in front
        ],
        "level": front[0][1][objectives[0].metric].level if front else None,
        "reference": reference,
        "axes": parallel.PARAMETERS,
        "pairs": tradeoffs.GRID_OF,
    }


def _head(name: str, unit: str) -> str:
    text = name.replace("_", " ")
    return text if unit in ("", "1") else f"{text} ({unit})"
