"""Other horizons of early prediction on recorded curves: what a model would have said there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaigns.campaign import Campaign, CampaignError, TrainingSpec, parse
from campaigns.records import Observation, Prediction
from loop.correcting import Correction, bias_sd
from loop.early import ADAPTIVE, CHECKPOINTS, EarlyPredictor, TrainingFailed, prediction_of
from loop.stages import Stages
from loop.state import CampaignState
from loop.store.store import Store
from loop.stored_cells import cell_of
from loop.whatif_record import Record, Test

NONE = "none"
FEWEST_CHECKPOINTS = 2


@dataclass(frozen=True)
class Horizon:
    """One way of ending tests early.

    changes: to the campaign; predictions: by recorded trial and checkpoint, as the model made
    them; digest, model: the fitted models' text; training_hours: that the training cells held
    channels for.
    """

    name: str
    changes: Mapping[str, Any]
    predictions: Mapping[int, Mapping[int, Prediction]]
    digest: str
    model: bytes
    training_hours: float


class RecordedPredictor(EarlyPredictor):
    """Says of a test what the model said of the recorded cell that it repeats."""

    def __init__(
        self, store: Store, campaign_id: str, campaign: Campaign, horizon: Horizon, world: Any
    ) -> None:
        """world: the `RecordedWorld` that knows which cell a job repeats."""
        super().__init__(store, campaign_id, campaign)
        self._horizon = horizon
        self._world = world

    def cells(self, state: CampaignState) -> tuple[list[Any], tuple[int, ...], str]:
        return [], (), "record"

    def fit(self, cells: Sequence[Any]) -> tuple[str, bytes]:
        return self._horizon.digest, self._horizon.model

    def card(self, content: bytes, cells: Sequence[Any]) -> dict[str, bytes]:
        return {}

    def predict(self, state: CampaignState, trial: int, attempt: int, at_cycle: int) -> Prediction:
        """Raises ValueError where the recorded cell could not be predicted."""
        cell = self._world.repeats(state.attempts[trial].key)
        said = self._horizon.predictions.get(cell, {}).get(at_cycle)
        if said is None:
            raise ValueError(f"recorded cell {cell} cannot be predicted at cycle {at_cycle}")
        said = replace(said, model=state.model)
        return Correction(state.history, self._metric, state.bias_sd).of(said)


class Maker(EarlyPredictor):
    """Fits the model of one horizon as the campaign would have, and asks it of every cell."""

    def horizon(self, name: str, state: CampaignState, tests: Sequence[Test]) -> Horizon:
        """Raises CampaignError where the model cannot be fitted."""
        try:
            cells, _, _ = self.cells(state)
            digest, content = self.fit(cells)
        except TrainingFailed as error:
            raise CampaignError([f"--early {name}: {error}"]) from error
        stages = self.read(content.decode())
        predictions = {test.trial: self._asked_of(stages, test) for test in tests}
        return Horizon(
            name=name,
            changes=_changes(self.spec.at_cycle, self.checkpoints, bias_sd(self.spec)),
            predictions=predictions,
            digest=digest,
            model=content,
            training_hours=state.cost.training_hours,
        )

    def _asked_of(self, stages: Stages, test: Test) -> dict[int, Prediction]:
        """Without the checkpoints that a cell's data do not suffice for."""
        said = {}
        for at_cycle, model in stages.models.items():
            series = self._store.series(self._campaign_id, test.trial, until=at_cycle)
            if test.cycles < at_cycle or not len(series.curve_cycles):
                continue
            try:
                answer = model.predict([cell_of(str(test.trial), None, series)])
            except ValueError:  # a gap in just this cell: the engine treats it as the lab does
                continue
            level = self.spec.level
            said[at_cycle] = prediction_of(answer, self._metric, self._unit, level, at_cycle, "")
        return said


def horizons(
    store: Store, campaign_id: str, state: CampaignState, record: Record, early: Sequence[str]
) -> tuple[Record, dict[str, Horizon | None]]:
    """The tests that all choices can repeat, lasting to their end, and how each choice ends them.

    Raises CampaignError where the record has no curves, or too short ones.
    """
    made: dict[str, Horizon | None] = {}
    campaign = state.campaign
    tests = [test for test in record.every() if test.cycles and not test.training]
    if not tests:
        raise CampaignError(
            [f"--early: {campaign_id} was recorded without curves, so that nothing can be "
             "predicted at other cycles; without it tests end as they were recorded"]
        )  # fmt: skip
    if campaign.early_prediction is None and set(early) != {NONE}:
        raise CampaignError(
            [f"--early: {campaign_id} has no [early_prediction], which says what the model learns "
             "from; allowed: none"]
        )  # fmt: skip
    reach = min((test.cycles for test in tests if test.predicted), default=None)
    for name in early:
        if name == NONE:
            made[name] = None
            continue
        at_cycle, points = _checkpoints(campaign, name, reach)
        changed = parse(campaign.text, campaign.files, _changes(at_cycle, points))
        maker = Maker(store, campaign_id, changed)
        made[name] = maker.horizon(name, state, tests)
    kept = {test.trial for test in tests}
    return replace(
        record,
        tests={
            place: tuple(to_the_end(test) for test in found if test.trial in kept)
            for place, found in record.tests.items()
            if any(test.trial in kept for test in found)
        },
    ), made


def _checkpoints(
    campaign: Campaign, name: str, reach: int | None
) -> tuple[int | str, tuple[int, ...]]:
    """Where a choice looks; reach: up to which cycle every cell has curves, None: to its end."""
    assert campaign.early_prediction is not None
    if name != ADAPTIVE:
        if reach is not None and int(name) > reach:
            raise CampaignError(
                [f"--early {name}: recorded cells were stopped at cycle {reach}; allowed: up to "
                 f"{reach}, adaptive, none"]
            )  # fmt: skip
        return int(name), (int(name),)
    wanted = campaign.early_prediction.checkpoints or CHECKPOINTS
    points = tuple(one for one in wanted if reach is None or one <= reach)
    if len(points) < FEWEST_CHECKPOINTS:
        raise CampaignError(
            [f"--early adaptive: recorded cells were stopped at cycle {reach}, before the second "
             f"of the checkpoints {', '.join(map(str, wanted))}"]
        )  # fmt: skip
    return ADAPTIVE, points


def _changes(
    at_cycle: int | str, checkpoints: tuple[int, ...], doubt: float | None = None
) -> dict[str, Any]:
    """Of a campaign that looks there; with a doubt (of the model's bias) it is one whose model
    comes with the record and is not trained again."""
    found: dict[str, Any] = {
        "early_prediction.at_cycle": at_cycle,
        "early_prediction.checkpoints": list(checkpoints) if at_cycle == ADAPTIVE else None,
    }
    if doubt is not None:
        training = TrainingSpec(folder="record").model_dump(exclude_none=True)
        found |= {"early_prediction.training": training, "early_prediction.bias_sd": doubt}
    return found


def told(record: Record, horizons: Mapping[str, Horizon | None]) -> list[str]:
    """What a reader must know of tests that end otherwise than they were recorded."""
    tests = list(record.every())
    whole = sum(test.life is None for test in tests)
    lines = [
        f"Choices are made among settings with curves. {whole} of {len(tests)} cells were recorded "
        "to their end; the others live here as long as was predicted of them."
    ]
    hours = max((one.training_hours for one in horizons.values() if one is not None), default=0.0)
    if hours:
        lines.append(f"The training cells' {hours / 24.0:.4g} channel-days count, but for none.")
    return lines


def to_the_end(test: Test) -> Test:
    """A test as it would have gone on: one that was stopped on a prediction ends at its life as it
    was predicted, with the prediction's error, at the pace of its cycles so far."""
    if not test.predicted or test.hours is None:
        return test
    outcomes = {
        metric: Observation(metric, one.mean, one.sem, one.unit)
        if isinstance(one, Prediction)
        else one
        for metric, one in test.outcomes.items()
    }
    life = max(one.mean for one in test.outcomes.values() if isinstance(one, Prediction))
    life = max(life, float(test.cycles))
    return replace(test, outcomes=outcomes, hours=test.hours / test.cycles * life, life=life)
