"""The safety envelope: is a job within what the instrument says of itself?"""

from __future__ import annotations

import math
from collections.abc import Mapping

from campaigns.records import Setting, Value
from instruments.base import Card, Job, Problem, Refused, SettingCard


def outside(card: Card, parameters: Setting) -> list[Problem]:
    """Every setting that is unknown, missing, not a finite number, or beyond its limits.

    parameters are in the instrument's units. [] means within the envelope.
    """
    known: Mapping[str, SettingCard] = {setting.name: setting for setting in card.settings}
    problems = [
        Problem(name, f"{card.kind} knows no such setting; it takes {', '.join(known)}")
        for name in parameters
        if name not in known and not card.open_settings
    ]
    for setting in card.settings:
        if setting.name not in parameters:
            if not setting.optional:
                problems.append(Problem(setting.name, "is missing"))
            continue
        reason = _violation(setting, parameters[setting.name])
        if reason:
            problems.append(Problem(setting.name, reason))
    return problems


def same_job(known: Job, again: Job) -> None:
    """A key stands for one job for ever: setting, seed and sample. Raises Refused."""
    told = (dict(known.parameters), known.seed, known.sample)
    if told != (dict(again.parameters), again.seed, again.sample):
        raise Refused(f"{again.key} stands for another job already: {dict(known.parameters)}")


def _violation(card: SettingCard, value: Value) -> str:
    if card.options:
        return "" if value in card.options else f"{value!r} is none of {list(card.options)}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{value!r} is not a number"
    if not math.isfinite(value):
        return f"{value!r} is not finite"
    if card.low is not None and value < card.low:
        return f"{value:g} {card.unit} is below the limit {card.low:g} {card.unit}"
    if card.high is not None and value > card.high:
        return f"{value:g} {card.unit} is above the limit {card.high:g} {card.unit}"
    return ""
