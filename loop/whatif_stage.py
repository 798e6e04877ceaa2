"""Setting a recorded world up: a campaign freed of all but its record, its emulator and judge."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Bound
from loop import whatif_early
from loop.history import History
from loop.restoring import restore
from loop.state import RECORDED
from loop.store.store import Store
from loop.whatif_early import Horizon
from loop.whatif_emulator import Emulator
from loop.whatif_judge import Judge
from loop.whatif_record import Record, read
from loop.whatif_run import AS_RECORDED
from loop.whatif_world import World

CANDIDATES = "recorded-settings.csv"
START = "recorded-start.csv"
WAY_OUT = "; --unrecorded exclude compares on the recorded settings alone"
SEPARATE = {
    "recommend.check": None,  # the record has one instrument
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
    own by default; unrecorded: what becomes of settings that are not in the record: "emulate"
    answers them, as by default where nothing is said of early, "exclude" leaves them out of the
    candidates; assembly_hours: before each test; test_hours: of tests whose hours are
    not in the record; faults: whether tests are lost at the recorded rate.
    """

    optimizers: tuple[str, ...]
    channels: tuple[int, ...] = ()
    early: tuple[str, ...] = ()
    seeds: int = 20
    first_seed: int = 0
    trials: int | None = None
    unrecorded: str = ""
    assembly_hours: float = 0.0
    test_hours: float | None = None
    faults: bool = True


@dataclass(frozen=True)
class Stage:
    """A recorded world set up: what every run shares, and what a reader must know of it.

    worlds: by how tests end early
    """

    campaign: Campaign
    worlds: Mapping[str, World]
    judge: Judge
    trials: int
    notes: tuple[str, ...]


def stage(store: Store, campaign_id: str, question: Question) -> Stage:
    """Set the recorded world up. Raises CampaignUnknown, StoreDamaged; CampaignError where the
    campaign cannot be replayed, or the emulator is needed and cannot be trusted."""
    record = read(store, campaign_id, question.test_hours)
    state = restore(store, campaign_id)
    campaign = _separate(state.campaign, state.history)
    pool, horizons, notes = record, dict[str, Horizon | None](), list[str]()
    if question.early:
        if question.unrecorded == "emulate":
            raise CampaignError(["--unrecorded emulate: curves cannot be emulated; with --early "
                                 "leave it out, or: exclude"])  # fmt: skip
        pool, horizons = whatif_early.horizons(store, campaign_id, state, record, question.early)
        notes = whatif_early.told(pool, horizons)
    emulate = question.unrecorded != "exclude" and not question.early
    look_up = campaign.space.finite or not emulate
    emulators, validations = _emulators(campaign, record)
    judge = Judge(campaign.space, pool, emulators.get(record.objective.metric), look_up)
    if not emulate:
        campaign = _restricted(campaign, pool)
        if judge.covered(campaign.space.candidates) < len(campaign.space.candidates):
            raise CampaignError([f"{campaign_id}: its settings cannot be listed as candidates: "
                                 "truth values, or texts that look like numbers"])  # fmt: skip
    candidates = campaign.space.candidates if look_up else ()
    needed = not look_up or judge.covered(candidates) < len(candidates)
    if needed and not emulators:
        raise CampaignError([f"{campaign_id}: {validations[0]}{WAY_OUT}"])
    world = World(pool, emulators, look_up, question.assembly_hours, question.faults)
    worlds = {name: replace(world, horizon=one) for name, one in horizons.items()}
    trials = question.trials or record.asked
    return Stage(campaign, worlds or {AS_RECORDED: world}, judge, trials, (*validations, *notes))


def _emulators(campaign: Campaign, record: Record) -> tuple[dict[str, Emulator], list[str]]:
    """The emulators where all can be trusted, else none, and what is to be said of them."""
    metrics = [campaign.objectives[0].metric, *(one.metric for one in campaign.constraints)]
    made = {m: Emulator.fit(campaign.space, record, m) for m in dict.fromkeys(metrics)}
    for metric, one in made.items():
        if one.validation.refusal:
            return {}, [f"{metric}: {one.validation.refusal}"]
    notes = [f"Emulator of {metric}, {one.validation}." for metric, one in made.items()]
    notes += [f"Warning: {w}" for one in made.values() if (w := one.validation.warning)]
    return made, notes


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


def _restricted(campaign: Campaign, record: Record) -> Campaign:
    """The campaign with nothing but recorded settings to choose from."""
    known = [record.settings[place] for place in record.tests if record.values(place)]
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
