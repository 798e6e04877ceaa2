"""One fitted model a checkpoint, and what each was worth on the training cells."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loop.stopping import Stage

if TYPE_CHECKING:
    from surrogates.cells import Cell

FORMAT = "leyden.stages.1"


@dataclass(frozen=True)
class Stages:
    """The models of a campaign that weighs, at each checkpoint, whether to stop a test.

    models: by checkpoint, ascending; log_sds: cross-validated sd of the natural log of life, one
    a checkpoint; life_log_sd: what the training lives themselves differ by, alike.
    """

    models: Mapping[int, Any]
    log_sds: Mapping[int, float]
    life_log_sd: float

    @classmethod
    def fit(
        cls, make: Callable[[int], Any], checkpoints: Sequence[int], cells: Sequence[Cell]
    ) -> Stages:
        """Fit a model a checkpoint, each on the cells that it can learn from.

        A checkpoint that too few cells have lived to see has no model. Raises ValueError where
        that is the first one already, or a model does not tell its cross-validated error.
        """
        models: dict[int, Any] = {}
        log_sds = {}
        for at_cycle in checkpoints:
            model = make(at_cycle)
            try:
                models[at_cycle] = model.fit([cell for cell in cells if fits(model, cell)])
            except ValueError:
                if not models:
                    raise
                break
            log_sds[at_cycle] = _error_of(model)
        return cls(models, log_sds, _log_sd(cells))

    def to_json(self) -> str:
        """Canonical JSON; the models' own texts are kept as they are."""
        document = {
            "format": FORMAT,
            "life_log_sd": self.life_log_sd,
            "stages": [
                {"at_cycle": at, "log_sd": self.log_sds[at], "model": model.to_json()}
                for at, model in self.models.items()
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, load: Callable[[str], Any]) -> Stages:
        """Inverse of `to_json`; `load` reads one model's text. Raises ValueError."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(f"these are no models of format {FORMAT!r}")
            stages = document["stages"]
            return cls(
                {int(one["at_cycle"]): load(one["model"]) for one in stages},
                {int(one["at_cycle"]): float(one["log_sd"]) for one in stages},
                float(document["life_log_sd"]),
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"the models of the checkpoints are damaged: {error}") from error

    @property
    def worth(self) -> tuple[Stage, ...]:
        """What a prediction is worth at each checkpoint."""
        return tuple(Stage(at, self.log_sds[at], self.life_log_sd) for at in self.log_sds)


def _error_of(model: Any) -> float:
    try:
        return float(model.cross_validated_log_sd)
    except AttributeError as error:
        raise ValueError(
            "the surrogate tells no cross_validated_log_sd, which at_cycle = 'adaptive' needs; "
            "give a number of cycles"
        ) from error


def fits(model: Any, cell: Cell) -> bool:
    """Whether a model can learn from a cell."""
    try:
        model.check(cell)
    except ValueError:
        return False
    return True


def _log_sd(cells: Sequence[Cell]) -> float:
    """Standard deviation of the natural log of the known lives."""
    logs = [math.log(cell.exact_life) for cell in cells if cell.exact_life is not None]
    if len(logs) < 2:
        return 0.0
    mean = math.fsum(logs) / len(logs)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in logs) / (len(logs) - 1))
