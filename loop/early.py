"""Early prediction in the loop: which cells teach the model, and what it says of a running one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaigns.campaign import Campaign, CampaignError, EarlyPredictionSpec
from campaigns.records import Prediction, Purpose, Trial, TrialState
from loop import model_cards
from loop.restoring import restore
from loop.state import CampaignState
from loop.stored_cells import cell_of, cells_of, exact_life
from surrogates.registry import target

if TYPE_CHECKING:
    from loop.store.store import Store
    from surrogates.cells import Cell


class TrainingFailed(Exception):
    """The early predictor could not be fitted; the message says which cells are missing."""


class EarlyPredictor:
    """The campaign's early predictor over its store; it remembers nothing but the loaded model."""

    def __init__(self, store: Store, campaign_id: str, campaign: Campaign) -> None:
        if campaign.early_prediction is None:
            raise ValueError("the campaign has no [early_prediction]")
        self.spec = campaign.early_prediction
        self.at_cycle = horizon(self.spec)
        self._store = store
        self._campaign_id = campaign_id
        self._metric = campaign.objectives[0].metric
        self._unit = campaign.objectives[0].unit
        self._loaded: tuple[str, Any] = ("", None)

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
        """Cells of measured trials; those that died before `at_cycle` or have gaps are left out."""
        lived = [trial for trial in trials if exact_life(trial, self._metric) is not None]
        cells = cells_of(self._store, campaign_id, lived, self._metric, self.at_cycle)
        return [cell for cell in cells if self._fits(cell)]

    def _fits(self, cell: Cell) -> bool:
        try:
            self._model().check(cell)
        except ValueError:
            return False
        return True

    def fit(self, cells: Sequence[Cell]) -> tuple[str, bytes]:
        """The digest and the canonical text of a model fitted to the cells.

        Raises TrainingFailed where the cells do not suffice.
        """
        try:
            text: str = self._model().fit(cells).to_json()
        except ValueError as error:
            raise TrainingFailed(f"early_prediction.training: {error}") from error
        content = text.encode()
        return hashlib.sha256(content).hexdigest(), content

    def card(self, content: bytes, cells: Sequence[Cell]) -> dict[str, bytes]:
        """The card of the model that `fit` gave, by its digest; at most one."""
        model = target(self.spec.kind).from_json(content.decode())
        return model_cards.made([model], cells, self.spec.training)

    def _model(self) -> Any:
        options = dict(self.spec.options)
        return target(self.spec.kind)(
            at_cycle=self.at_cycle, model=self.spec.model, level=self.spec.level, **options
        )

    def _earlier(self, campaign_id: str) -> list[Cell]:
        history = restore(self._store, campaign_id).history
        trials = [*history.training.values(), *history.trials.values()]
        return self._learnable(campaign_id, trials)

    # prediction ------------------------------------------------------------------------------

    def model(self, digest: str) -> Any:
        """The stored model of that digest. Raises StoreDamaged where it was changed."""
        if self._loaded[0] != digest:
            text = self._store.artifact(digest).decode()
            self._loaded = (digest, target(self.spec.kind).from_json(text))
        return self._loaded[1]

    def predict(self, digest: str, trial: int, attempt: int) -> Prediction:
        """What the model says of a trial from its stored cycles up to `at_cycle`.

        Raises ValueError where the stored data do not suffice.
        """
        series = self._store.series(self._campaign_id, trial, attempt, until=self.at_cycle)
        answer = self.model(digest).predict([cell_of(str(trial), None, series)])
        return Prediction(
            metric=self._metric,
            mean=float(answer.mean[0]),
            sem=float(answer.sem[0]),
            unit=self._unit,
            lower=float(answer.lower[0]),
            upper=float(answer.upper[0]),
            level=self.spec.level,
            at_cycle=self.at_cycle,
            model=digest,
            extrapolates=bool(answer.extrapolates[0]),
        )


def horizon(spec: EarlyPredictionSpec) -> int:
    """The cycle at which predictions are made. Raises CampaignError."""
    if spec.at_cycle == "adaptive":
        raise CampaignError(
            ["early_prediction.at_cycle: 'adaptive' is not available in this release; give a "
             "number of cycles"]
        )  # fmt: skip
    return int(spec.at_cycle)


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
        total.update(f"{cell.id}:{cell.cycle_life!r}:{cell.q.shape}".encode())
        total.update(cell.q.tobytes())
    return total.hexdigest()


def watched(purpose: Purpose) -> bool:
    """Training cells are never predicted: they run to their end to be learnt from."""
    return purpose is not Purpose.TRAINING
