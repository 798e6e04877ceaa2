"""What a campaign waits for persons to do, in plain values."""

from __future__ import annotations

from typing import Any

from loop.state import CampaignState


def awaiting(state: CampaignState) -> list[dict[str, Any]]:
    """Trials to be approved: what would run, what was proposed where that differs, and why a
    person is asked."""
    found = []
    for number in sorted(state.awaiting):
        trial, asked = state.history.trial(number), state.awaiting[number]
        found.append(
            {
                "trial": number,
                "parameters": dict(trial.parameters),
                "proposed": None if trial.proposed is None else dict(trial.proposed),
                "payload": asked.digest,
                "reason": asked.reason,
            }
        )
    return found


def lost(state: CampaignState) -> list[dict[str, Any]]:
    """Trials of which nobody knows what became."""
    found = []
    for number in sorted(state.lost):
        attempt, trial = state.lost[number], state.history.trial(number)
        found.append(
            {
                "trial": number,
                "attempt": attempt.number,
                "step": attempt.step,
                "key": attempt.key,
                "parameters": dict(trial.parameters),
                "reason": "" if trial.failure is None else trial.failure.reason,
            }
        )
    return found


def in_words(state: CampaignState) -> str:
    """`2 trials await approval (3, 4), 1 is lost (2)`; "" where nothing waits."""
    parts = []
    if state.awaiting:
        n = len(state.awaiting)
        verb = "awaits" if n == 1 else "await"
        parts.append(f"{n} trial{'s' * (n > 1)} {verb} approval ({_listed(state.awaiting)})")
    if state.lost:
        n = len(state.lost)
        verb = "is" if n == 1 else "are"
        parts.append(f"{n} trial{'s' * (n > 1)} {verb} lost ({_listed(state.lost)})")
    return ", ".join(parts)


def _listed(numbers: dict[int, Any]) -> str:
    shown = sorted(numbers)
    return ", ".join(map(str, shown[:8])) + (", …" if len(shown) > 8 else "")
