"""What persons were asked and ruled in a campaign, for its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.records import Setting
from loop.events import Approved, AwaitingApproval, Event, Modified, Proposed, Rejected, Resolved
from loop.summary import value_text

VERDICTS = {
    "not_run": "did not run: run again",
    "adopt": "asked the instrument again",
    "failed": "failed",
    "measured": "measured by hand",
}


@dataclass(frozen=True, slots=True)
class Ruling:
    """One line of the report: when (campaign seconds), about which trial, what, who and why."""

    time: float
    trial: int
    what: str
    who: str
    reason: str


def rulings(events: Iterable[Event]) -> tuple[Ruling, ...]:
    """Everything persons ruled, in order; () where nobody had to."""
    settings: dict[int, Setting] = {}
    asked: dict[int, str] = {}
    found = []
    for event in events:
        body = event.body
        match body:
            case Proposed():
                settings |= {n: t.parameters for n, t in enumerate(body.trials, body.first)}
            case AwaitingApproval():
                asked[body.trial] = body.reason
            case Modified():
                what = _difference(settings[body.trial], body.parameters)
                settings[body.trial] = body.parameters
                found.append(Ruling(body.time, body.trial, what, body.who, body.reason))
            case Approved():
                reason = body.reason or f"asked because {asked.get(body.trial, '')}"
                found.append(Ruling(body.time, body.trial, "approved", body.who, reason))
            case Rejected():
                found.append(Ruling(body.time, body.trial, "rejected", body.who, body.reason))
            case Resolved():
                what = f"lost: {VERDICTS[body.verdict]}"
                found.append(Ruling(body.time, body.trial, what, body.who, body.reason))
            case _:
                pass
    return tuple(found)


def _difference(before: Setting, after: Setting) -> str:
    """`changed gap_um from 200 to 180`."""
    changed = [
        f"{name} from {value_text(before[name])} to {value_text(value)}"
        for name, value in after.items()
        if before[name] != value
    ]
    return f"changed {', '.join(changed)}" if changed else "changed nothing"
