"""Early prediction in the loop: which cells teach the model, and what it says of a running one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaigns.campaign import Campaign, EarlyPredictionSpec
from campaigns.records import Prediction, Purpose, Trial, TrialState
from loop import model_cards
from loop.correcting import Correction
from loop.restoring import restore
from loop.stages import Stages, fits
from loop.state import CampaignState
from loop.stopping import Outlook
from loop.stored_cells import cell_of, cells_of
from surrogates.registry import target

if TYPE_CHECKING:
    from loop.store.store import Store
    from surrogates.cells import Cell


ADAPTIVE = "adaptive"
# Where `at_cycle = "adaptive"` looks unless the campaign says otherwise. The first two are early
# enough for what is plainly poor; from 50 on predictions hardly improve, so the steps grow.
CHECKPOINTS = (15, 20, 25, 30, 35, 40, 50, 75, 100)


class TrainingFailed(Exception):
    """The early predictor could not be fitted; the message says which cells are missing."""


class EarlyPredictor:
    """The campaign's early predictor over its store; it remembers nothing but the loaded model."""

    def __init__(self, store: Store, campaign_id: str, campaign: Campaign) -> None:
        if campaign.early_prediction is None:
            raise ValueError("the campaign has no [early_prediction]")
        self.spec = campaign.early_prediction
        self.checkpoints = checkpoints(self.spec)
        self._store = store
        self._campaign_id = campaign_id
        self._metric = campaign.objectives[0].metric
        self._unit = campaign.objectives[0].unit
        self._loaded: tuple[str, Stages] | None = None

    # training --------------------------------------------------------------------------------

    def ready(self, state: CampaignState) -> bool:
        """True once every cell the model is trained on is there."""
        if not self.spec.training.simulate:
            return True
        return state.training_proposed and all(
            trial.state.terminal and trial.state is not TrialState.LOST
            for trial in state.history.training.values()
        )

    def cells(self, state: CampaignState) -> tuple[list[Cell], tuple[int, ...], str]:
        """Training cells, the trials of this campaign among them, and the digest of outside data.

        Raises TrainingFailed where the source has none.
        """
        training = self.spec.training
        if training.simulate:
            cells = self._learnable(self._campaign_id, state.history.training.values())
            return cells, tuple(int(cell.id) for cell in cells), ""
        if training.folder:
            cells = recorded_cells(training.folder, training.splits or ())
        else:
            cells = self._earlier(str(training.campaign))
        cells = [cell for cell in cells if self._fits(cell)]
        return cells, (), digest_of(cells)

    def _learnable(self, campaign_id: str, trials: Iterable[Trial]) -> list[Cell]:
        """Cells of trials with a life or a bound of it; those that died before the first checkpoint
        or have gaps are left out."""
        cells = cells_of(self._store, campaign_id, trials, self._metric, self.checkpoints[-1])
        return [cell for cell in cells if cell.cycle_life is not None and self._fits(cell)]

    def _fits(self, cell: Cell) -> bool:
        """Whether a cell can teach what is to be predicted first."""
        model = self._model(self.checkpoints[0])
        understood = not cell.censored or getattr(model, "learns_from_bounds", False)
        return understood and fits(model, cell)

    def fit(self, cells: Sequence[Cell]) -> tuple[str, bytes]:
        """The digest and the canonical text of a model fitted to the cells.

        Raises TrainingFailed where the cells do not suffice.
        """
        try:
            text = self._fitted(cells)
        except ValueError as error:
            raise TrainingFailed(f"early_prediction.training: {error}") from error
        content = text.encode()
        return hashlib.sha256(content).hexdigest(), content

    def card(self, content: bytes, cells: Sequence[Cell]) -> dict[str, bytes]:
        """The card of the models that `fit` gave, by its digest; at most one."""
        models = self.read(content.decode()).models.values()
        return model_cards.made(list(models), cells, self.spec.training)

    def _fitted(self, cells: Sequence[Cell]) -> str:
        """One model's own text, or that of one a checkpoint."""
        if self.spec.at_cycle == ADAPTIVE:
            return Stages.fit(self._model, self.checkpoints, cells).to_json()
        text: str = self._model(self.checkpoints[0]).fit(cells).to_json()
        return text

    def _model(self, at_cycle: int) -> Any:
        options = dict(self.spec.options)
        return target(self.spec.kind)(
            at_cycle=at_cycle, model=self.spec.model, level=self.spec.level, **options
        )

    def _earlier(self, campaign_id: str) -> list[Cell]:
        history = restore(self._store, campaign_id).history
        trials = [*history.training.values(), *history.trials.values()]
        return self._learnable(campaign_id, trials)

    # prediction ------------------------------------------------------------------------------

    def stages(self, digest: str) -> Stages:
        """The stored models of that digest, by checkpoint. Raises StoreDamaged where they were
        changed."""
        if self._loaded is None or self._loaded[0] != digest:
            self._loaded = digest, self.read(self.text(digest))
        return self._loaded[1]

    def text(self, digest: str) -> str:
        """The stored text of that digest. Raises StoreDamaged where it was changed."""
        return self._store.artifact(digest).decode()

    def read(self, text: str) -> Stages:
        """Models from the text that `fit` gave. Raises ValueError."""
        load = target(self.spec.kind).from_json
        if self.spec.at_cycle == ADAPTIVE:
            return Stages.from_json(text, load)
        return Stages({self.checkpoints[0]: load(text)}, {}, 0.0)

    def due(self, looked: int, cycle: int) -> int | None:
        """The latest checkpoint that a test has passed since it was looked at; None: none."""
        passed = [one for one in self.checkpoints if looked < one <= cycle]
        return passed[-1] if passed else None

    def predict(self, state: CampaignState, trial: int, attempt: int, at_cycle: int) -> Prediction:
        """What the model says of a trial from its stored cycles up to a checkpoint, with the bias
        removed that cells predicted before have shown.

        Raises ValueError where the stored data do not suffice.
        """
        series = self._store.series(self._campaign_id, trial, attempt, until=at_cycle)
        model = self.stages(state.model).models[at_cycle]
        answer = model.predict([cell_of(str(trial), None, series)])
        level, digest = self.spec.level, state.model
        said = prediction_of(answer, self._metric, self._unit, level, at_cycle, digest)
        return Correction(state.history, self._metric, state.bias_sd).of(said)

    def outlook(self, state: CampaignState, trial: int, at_cycle: int) -> Outlook:
        """What the stopper may weigh for a trial at a checkpoint."""
        held_s = state.time - state.attempts[trial].since
        cycles = max(at_cycle, state.attempts[trial].cycle)
        return Outlook(self.stages(state.model).worth, held_s / 3600.0 / cycles)


def prediction_of(
    answer: Any, metric: str, unit: str, level: float, at_cycle: int, model: str
) -> Prediction:
    """What a model answered about a single cell; `model` is its digest."""
    return Prediction(
        metric=metric,
        mean=float(answer.mean[0]),
        sem=float(answer.sem[0]),
        unit=unit,
        lower=float(answer.lower[0]),
        upper=float(answer.upper[0]),
        level=level,
        at_cycle=at_cycle,
        model=model,
        extrapolates=bool(answer.extrapolates[0]),
    )


def checkpoints(spec: EarlyPredictionSpec) -> tuple[int, ...]:
    """The cycles at which predictions are made, ascending."""
    if spec.at_cycle == ADAPTIVE:
        return tuple(spec.checkpoints or CHECKPOINTS)
    return (int(spec.at_cycle),)


def recorded_cells(folder: str, splits: Sequence[str]) -> list[Cell]:
    """The cells of a folder, see `read_cells`, whose life is known. Raises TrainingFailed."""
    from surrogates.cycle_life import read_cells

    try:
        cells = read_cells(Path(folder), splits=tuple(splits) or None)
        return [cell for cell in cells if cell.cycle_life is not None]
    except (ValueError, OSError) as error:
        told = "; ".join(str(error).splitlines())
        raise TrainingFailed(f"early_prediction.training.folder: {told}") from error


def digest_of(cells: Sequence[Cell]) -> str:
    """SHA-256 over the data of cells, in order."""
    total = hashlib.sha256()
    for cell in cells:
        bound = ":at least" if cell.censored else ""
        total.update(f"{cell.id}:{cell.cycle_life!r}:{cell.q.shape}{bound}".encode())
        total.update(cell.q.tobytes())
        for name, values in sorted(cell.scalars.items()):
            total.update(name.encode() + values.tobytes())
    return total.hexdigest()


def watched(purpose: Purpose) -> bool:
    """Training cells are never predicted: they run to their end to be learnt from."""
    return purpose is not Purpose.TRAINING
