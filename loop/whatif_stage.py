"""Setting a recorded world up: a campaign freed of all but its record, its emulator and judge."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Bound
from loop.events import Measured
from loop.history import History
from loop.restoring import restore
from loop.state import RECORDED
from loop.store.store import Store
from loop.whatif_emulator import Emulator
from loop.whatif_judge import Judge
from loop.whatif_record import Record, read
from loop.whatif_world import World

CANDIDATES = "recorded-settings.csv"
START = "recorded-start.csv"
SEPARATE = {
    "recommend.check": None,  # the record has one instrument
    "early_prediction": None,  # recorded outcomes hold it already
    "start.campaigns": None,
    "budget.rounds": None,
    "budget.wall_minutes": None,
    "instrument.needs_approval": "never",
    "execution.kind": "inline",
    "execution.address": None,
}


@dataclass(frozen=True)
class Question:
    """What is to be compared.

    channels: as many as the campaign had by default; early: where tests end, a cycle, "adaptive"
    or "none", as recorded by default; trials: tests each run may ask for, as many as the record's
    own by default; unrecorded: what
    becomes of settings that are not in the record: "emulate" answers them, "exclude" leaves them
    out of the candidates; assembly_hours: before each test; test_hours: of tests whose hours are
    not in the record; faults: whether tests are lost at the recorded rate.
    """

    optimizers: tuple[str, ...]
    channels: tuple[int, ...] = ()
    early: tuple[str, ...] = ()
    seeds: int = 20
    first_seed: int = 0
    trials: int | None = None
    unrecorded: str = "emulate"
    assembly_hours: float = 0.0
    test_hours: float | None = None
    faults: bool = True


@dataclass(frozen=True)
class Stage:
    """A recorded world set up: what every run shares, and what a reader must know of it."""

    campaign: Campaign
    world: World
    judge: Judge
    trials: int
    notes: tuple[str, ...]


def stage(store: Store, campaign_id: str, question: Question) -> Stage:
    """Set the recorded world up. Raises CampaignUnknown, StoreDamaged; CampaignError where the
    campaign cannot be replayed, or the emulator is needed and cannot be trusted."""
    record = read(store, campaign_id, question.test_hours)
    if question.early:
        raise CampaignError([f"--early: {_no_horizon(store, campaign_id)}"])
    state = restore(store, campaign_id)
    campaign = _separate(state.campaign, state.history)
    finite = campaign.space.finite
    if question.unrecorded == "exclude":
        campaign = _restricted(campaign, record, campaign_id)
    judge, emulators, notes = _emulated(campaign, record, finite)
    needed = not finite or (
        question.unrecorded == "emulate"
        and judge.covered(campaign.space.candidates) < len(campaign.space.candidates)
    )
    if needed and emulators is None:
        raise CampaignError([f"{campaign_id}: {notes[0]}{_way_out(finite=finite)}"])
    world = World(record, emulators or {}, finite, question.assembly_hours, question.faults)
    return Stage(campaign, world, judge, question.trials or record.asked, tuple(notes))


def _no_horizon(store: Store, campaign_id: str) -> str:
    """Why tests cannot end at other cycles than the recorded ones."""
    events = store.events(campaign_id)
    if any(isinstance(event.body, Measured) and event.body.curves for event in events):
        return "curves are not replayed yet; without it tests end as they were recorded"
    return (
        f"{campaign_id} was recorded without curves, so that nothing can be predicted at other "
        "cycles; without it tests end as they were recorded"
    )


def _way_out(*, finite: bool) -> str:
    return "; --unrecorded exclude compares on the recorded settings alone" if finite else ""


def _emulated(
    campaign: Campaign, record: Record, finite: bool
) -> tuple[Judge, dict[str, Emulator] | None, list[str]]:
    """The judge, the emulators where they can be trusted, and what is to be said of them."""
    metrics = [campaign.objectives[0].metric, *(one.metric for one in campaign.constraints)]
    emulators = {m: Emulator.fit(campaign.space, record, m) for m in dict.fromkeys(metrics)}
    for metric, one in emulators.items():
        refusal = one.validation.refusal
        if refusal:
            plain = Judge(campaign.space, record, None, look_up=True)
            return plain, None, [f"{metric}: {refusal}"]
    notes = [f"Emulator of {metric}, {one.validation}." for metric, one in emulators.items()]
    notes += [f"Warning: {w}" for one in emulators.values() if (w := one.validation.warning)]
    judge = Judge(campaign.space, record, emulators[metrics[0]], look_up=finite)
    return judge, emulators, notes


def _separate(campaign: Campaign, history: History) -> Campaign:
    """The campaign free of all but its record: earlier campaigns become a file of results."""
    changes: dict[str, Any] = dict(SEPARATE)
    files = dict(campaign.files)
    if campaign.start.campaigns:
        files[START] = _earlier(campaign, history)
        changes["start.results"] = START
    if campaign.budget.trials is None:
        changes["budget.trials"] = 1  # replaced by the question's; some limit is needed meanwhile
    return parse(campaign.text, files, changes)


def _earlier(campaign: Campaign, history: History) -> bytes:
    """What earlier campaigns taught this one, as a file of results."""
    wanted = [o.metric for o in campaign.objectives] + [c.metric for c in campaign.constraints]
    columns = [name for metric in wanted for name in (metric, f"{metric}_sem")]
    rows: list[list[Any]] = [[*campaign.space.names, *columns]]
    for trial in history.trials.values():
        if trial.author != RECORDED or trial.excluded:
            continue
        told = [trial.outcomes.get(metric) for metric in wanted]
        cells = [
            ["", ""] if one is None or one.bound is not Bound.EXACT else [one.mean, one.sem]
            for one in told
        ]
        rows.append([*campaign.space.key(trial.parameters), *(c for pair in cells for c in pair)])
    return _csv(rows)


def _restricted(campaign: Campaign, record: Record, campaign_id: str) -> Campaign:
    """The campaign with nothing but recorded settings to choose from."""
    if not campaign.space.finite:
        raise CampaignError(
            [f"--unrecorded exclude: {campaign_id} has no listed candidates; allowed: emulate"]
        )
    known = [setting for place, setting in record.settings.items() if record.values(place)]
    names = list(campaign.space.names)
    content = _csv([names, *([setting[name] for name in names] for setting in known)])
    units = {p.name: p.unit for p in campaign.space.parameters}
    table = {"file": CANDIDATES, "columns": names, "units": units}
    changes = {"space.parameters": None, "space.candidates": table}
    return parse(campaign.text, {**campaign.files, CANDIDATES: content}, changes)


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
