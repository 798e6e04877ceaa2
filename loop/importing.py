"""Campaigns recorded elsewhere, loaded so that they can be read and audited like our own."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from campaigns.campaign import parse
from campaigns.records import Failure, FailureKind, Prediction, Purpose, TrialState
from loop import derive
from loop.environment import environment
from loop.events import (
    Body,
    Created,
    Ended,
    Finished,
    Predicted,
    Proposed,
    ProposedTrial,
    Started,
    Submitting,
)
from loop.optimizers import registry as optimizers
from loop.state import CampaignState
from loop.store.store import Lease, Store

ROUNDS = 5  # batches 0-4; predictions came back for batches 0-3
HOURS = 96.0  # 100 cycles of 0.96 h
NOISE_SD = 164.0  # the noise that the authors' bandit assumed of a prediction, in cycles
Z90 = 1.6448536269514722  # standard normal quantile at 0.95
MODEL = "attia2020"  # the authors' own predictor; its artifact is not public here
Arm = tuple[float, float, float]

CAMPAIGN = """\
# The closed-loop campaign of Attia et al., Nature 578, 397 (2020), as its authors recorded it.
name = "attia2020"
description = "Recorded fast-charging campaign: 224 protocols, 48 channels, early prediction"
seed = 0

[space]
# the authors' bandit met the protocols in the order of a NumPy shuffle with seed 0
candidates = { file = "policies.csv", columns = ["cc1", "cc2", "cc3"], units = { cc1 = "1/h", \
cc2 = "1/h", cc3 = "1/h" } }

[[objectives]]
metric = "cycle_life"
goal = "maximize"
unit = "1"

[optimizer]
kind = "bayes_gap"
rounds = true
replicates = 5

[optimizer.options]
prior_mean = 947.0
prior_sd = 164.0
noise_sd = 164.0
length_scale = 0.7071067811865476   # exp(-|x - x'|^2) on the C-rates
kernel = "gaussian"
coordinates = "raw"
ties = "listed"
beta = 5.0
decay = 0.5
decimals = 4

[recommend]
among = "tried"

[instrument]
kind = "table"
channels = 48

[instrument.options]
file = "predictions.csv"
parameters = { cc1 = "cc1", cc2 = "cc2", cc3 = "cc3" }
metrics = { cycle_life = { column = "cycle_life", unit = "1" } }
hours = 96.0
units = { cc1 = "1/h", cc2 = "1/h", cc3 = "1/h" }

[budget]
rounds = 5
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """The public files: arms in the authors' order, batches asked for, predictions by arm."""

    arms: list[Arm]
    batches: list[list[Arm]]
    predictions: list[dict[Arm, float]]


def attia2020(store: Store, folder: Path | str) -> str:
    """Load the recorded campaign from its public folder; returns the campaign's id.

    folder holds `policies_all.csv`, `batch/0..4.csv` and `pred/0..3.csv`. Raises ValueError (one
    line: file, line, what is wrong) before anything is stored.
    """
    recording = _read(Path(folder))
    files = {
        "policies.csv": _csv(["cc1", "cc2", "cc3"], recording.arms),
        "predictions.csv": _csv(
            ["cc1", "cc2", "cc3", "cycle_life"],
            [(*arm, life) for batch in recording.predictions for arm, life in batch.items()],
        ),
    }
    campaign = parse(CAMPAIGN, files)
    created = Created(
        name=campaign.name,
        digest=campaign.digest,
        seed=campaign.seed,
        epoch=datetime(2018, 1, 1, tzinfo=UTC).isoformat(),
        environment=environment(),
        origin="import",
    )
    campaign_id = store.create(campaign.name, campaign.text, campaign.files, created)
    lease = store.acquire(campaign_id)
    try:
        state = CampaignState.of(campaign, store.events(campaign_id))
        _record(store, campaign_id, state, lease, recording)
    finally:
        store.release(lease)
    return campaign_id


def _record(
    store: Store, campaign_id: str, state: CampaignState, lease: Lease, recording: Recording
) -> None:
    def append(bodies: list[Body]) -> None:
        for event in store.append(campaign_id, bodies, fence=lease.fence):
            state.apply(event)

    for number, batch in enumerate(recording.batches):
        append(_asked(campaign_id, state, batch, ran=number < len(recording.predictions)))
        if number < len(recording.predictions):
            append(_came_back(state, batch, recording.predictions[number], number))
    spec = state.campaign.optimizer
    optimizer = optimizers.create(spec.kind, spec.options)
    recommended = derive.recommend(optimizer, state.campaign, state.history)
    last: list[Body] = [] if recommended is None else [replace(recommended, time=state.time)]
    append([*last, Finished(state.time, "finished", "the recorded campaign ends here")])


def _asked(campaign_id: str, state: CampaignState, batch: list[Arm], *, ran: bool) -> list[Body]:
    """One round as the authors asked for it; the last one was never run."""
    first, time = state.history.next_number, state.time
    trials = tuple(
        ProposedTrial(dict(zip(("cc1", "cc2", "cc3"), arm, strict=True)), "bayes_gap")
        for arm in batch
    )
    proposed = Proposed(time, state.seq, len(batch), first, "bayes_gap", Purpose.SEARCH, trials)
    numbers = range(first, first + len(batch)) if ran else range(0)
    intents = [Submitting(time, n, 1, f"{campaign_id}/{n}/1") for n in numbers]
    return [proposed, *intents, *(Started(time, n, 1, "") for n in numbers)]


def _came_back(
    state: CampaignState, batch: list[Arm], predictions: Mapping[Arm, float], number: int
) -> list[Body]:
    """The predictions of one round, and the cells that gave none."""
    first = state.history.next_number - len(batch)
    time = (number + 1) * HOURS * 3600.0
    bodies: list[Body] = []
    for offset, arm in enumerate(batch):
        trial = first + offset
        if arm not in predictions:
            failure = Failure(FailureKind.DATA_GAP, "no prediction was recorded")
            bodies.append(Ended(time, trial, 1, TrialState.FAILED, HOURS, failure))
            continue
        bodies.append(Predicted(time, trial, 1, _prediction(predictions[arm])))
        bodies.append(Ended(time, trial, 1, TrialState.PREDICTED, HOURS))
    return bodies


def _prediction(life: float) -> Prediction:
    """The files give no interval: the noise is the one the authors' bandit assumed."""
    half = Z90 * NOISE_SD
    return Prediction(
        metric="cycle_life",
        mean=life,
        sem=NOISE_SD,
        unit="1",
        lower=life - half,
        upper=life + half,
        level=0.9,
        at_cycle=100,
        model=MODEL,
    )


def _read(folder: Path) -> Recording:
    import numpy as np

    arms = [_arm(row) for row in _rows(folder / "policies_all.csv", 3)]
    order = np.arange(len(arms))
    np.random.RandomState(0).shuffle(order)
    batches = [
        [_arm(row) for row in _rows(folder / "batch" / f"{n}.csv", 3)] for n in range(ROUNDS)
    ]
    predictions = [
        {_arm(row): row[-1] for row in _rows(folder / "pred" / f"{n}.csv", 4)}
        for n in range(ROUNDS - 1)
    ]
    known = set(arms)
    for number, batch in enumerate(batches):
        for arm in batch:
            if arm not in known:
                raise ValueError(f"{folder}/batch/{number}.csv: {arm} is not in policies_all.csv")
    return Recording([arms[i] for i in order], batches, predictions)


def _arm(row: list[float]) -> Arm:
    return (row[0], row[1], row[2])


def _rows(path: Path, least: int) -> list[list[float]]:
    """Numbers of a CSV without header. Raises ValueError naming the file and the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    rows = []
    for number, line in enumerate(csv.reader(text.splitlines()), start=1):
        if not line:
            continue
        try:
            row = [float(cell) for cell in line]
        except ValueError as error:
            raise ValueError(f"{path}: line {number}: {error}") from error
        if len(row) < least:
            raise ValueError(f"{path}: line {number}: {len(row)} numbers, at least {least} needed")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path}: is empty")
    return rows


def _csv(header: list[str], rows: Sequence[tuple[float, ...]]) -> bytes:
    lines = [",".join(header), *(",".join(repr(value) for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()
