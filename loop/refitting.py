"""Fitting recorded early predictors again, and what differs from those that were stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loop.correcting import bias_sd
from loop.early import EarlyPredictor, TrainingFailed
from loop.events import Event, Fitted
from loop.stages import Stages, fits
from loop.state import CampaignState
from loop.store.errors import StoreError

if TYPE_CHECKING:
    from surrogates.cells import Cell

SHOWN = 12  # digits of a digest that tell two apart
ANSWERS = ("mean", "sem", "lower", "upper")


@dataclass
class Refits:
    """What became of the models of one audit."""

    again: int = 0  # fitted again and found the same
    missing: list[str] = field(default_factory=list)  # not fitted again: where, and why

    def compare(
        self, predictor: EarlyPredictor, state: CampaignState, event: Event, tolerance: float
    ) -> tuple[str, str] | None:
        """Fit the model of an event to the cells that it names; what was recorded and what came
        out, None where they agree or the cells are no longer to be had.

        state: the campaign before the event; tolerance: 0 for the same bytes, else the relative
        difference that predictions of the training cells may show.
        """
        body = event.body
        assert isinstance(body, Fitted)
        try:
            cells, trials, source = predictor.cells(state)
        except (TrainingFailed, StoreError) as error:
            self._gone(predictor, event, str(error))
            return None
        if body.trials != trials:
            return f"training trials {list(body.trials)}", str(list(trials))
        if body.source != source:
            told = f"the cells are not what they were ({_short(body.source)}, now {_short(source)})"
            self._gone(predictor, event, told)
            return None
        try:
            found = _fitted_again(predictor, body, cells, tolerance)
        except TrainingFailed as error:
            return f"model {_short(body.model)}", f"no model: {error}"
        self.again += found is None
        return found

    def _gone(self, predictor: EarlyPredictor, event: Event, why: str) -> None:
        """Note that the outside cells of a model are not there any more."""
        training = predictor.spec.training
        kind = "the folder" if training.folder else "the campaign"
        where = training.folder or training.campaign
        why = why.removeprefix("early_prediction.training.folder: ")
        self.missing.append(f"event {event.seq}: trained on {kind} {where}: {why}")


def _fitted_again(
    predictor: EarlyPredictor, body: Fitted, cells: Sequence[Cell], tolerance: float
) -> tuple[str, str] | None:
    """How a model fitted to these cells now differs from the recorded one."""
    digest, content = predictor.fit(cells)
    if (body.surrogate, body.bias_sd) != (predictor.spec.kind, bias_sd(predictor.spec)):
        return (
            f"{body.surrogate}, bias_sd {body.bias_sd:g}",
            f"{predictor.spec.kind}, bias_sd {bias_sd(predictor.spec):g}",
        )
    if digest != body.model:
        if tolerance > 0.0:
            return _apart(predictor, body, content, cells, tolerance)
        return _first_difference(predictor.text(body.model), content.decode(), body.model, digest)
    card = "".join(predictor.card(content, cells))
    if tolerance == 0.0 and body.card and card != body.card:  # a card names package versions
        return f"model card {_short(body.card)}", _short(card)
    return None


def _apart(
    predictor: EarlyPredictor,
    body: Fitted,
    content: bytes,
    cells: Sequence[Cell],
    tolerance: float,
) -> tuple[str, str] | None:
    """Where predictions of the training cells differ by more than the tolerance."""
    stored, again = predictor.stages(body.model), predictor.read(content.decode())
    for at_cycle, model in stored.models.items():
        known = [cell for cell in cells if fits(model, cell)]
        one, other = model.predict(known), again.models[at_cycle].predict(known)
        for name in ANSWERS:
            pairs = zip(known, getattr(one, name), getattr(other, name), strict=True)
            for cell, then, now in pairs:
                if not abs(then - now) <= tolerance * max(abs(then), abs(now)):
                    where = f"{name} of cell {cell.id} at cycle {at_cycle}"
                    return f"{where} {float(then)!r}", f"{float(now)!r}"
    return _worth_apart(stored, again, tolerance)


def _worth_apart(stored: Stages, again: Stages, tolerance: float) -> tuple[str, str] | None:
    """What a stopper weighs, alike."""
    for then, now in zip(stored.worth, again.worth, strict=True):
        if not abs(then.log_sd - now.log_sd) <= tolerance * max(then.log_sd, now.log_sd):
            return f"log_sd {then.log_sd!r} at cycle {then.at_cycle}", repr(now.log_sd)
    return None


def _first_difference(stored: str, again: str, model: str, digest: str) -> tuple[str, str]:
    """The first place at which two models' texts differ, named by its keys."""
    place = _path(json.loads(stored), json.loads(again), "")
    heads = f"model {_short(model)}", _short(digest)
    if place is None:
        return heads
    where, then, now = place
    return f"{heads[0]} ({where or 'text'} = {then})", f"{heads[1]} ({now})"


def _path(one: Any, other: Any, where: str) -> tuple[str, str, str] | None:
    """The path to the first difference of two JSON values, and both values there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{where}.{key}".lstrip("."), one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{where}[{n}]", a, b) for n, (a, b) in enumerate(zip(one, other, strict=True))]
    elif one == other:
        return None
    else:
        return where, _brief(one), _brief(other)
    found = (_path(a, b, name) for name, a, b in pairs)
    return next((place for place in found if place is not None), None)


def _brief(value: Any) -> str:
    return json.dumps(value)[:60]


def _short(digest: str) -> str:
    return digest[:SHOWN] or "none"
