"""What a fitted model was made of, what it may be used for, and how far off it is."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from surrogates import fitted_features
from surrogates.cycle_life import FEWEST_TRAINING_CELLS, Cell, CycleLifeModel
from surrogates.life_scores import FOLDS, Scores, answered, folds, joined, known, scored

FORMAT = "leyden.model_card.1"
PACKAGES = ("leyden", "numpy", "scipy", "scikit-learn")  # what a fit depends on


@dataclass(frozen=True)
class Range:
    """What a feature ran over in the training cells."""

    name: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class Data:
    """The training cells. Lives are cycles; ``fingerprints`` tell each cell's data by its id.

    ``exact`` of the ``cells`` have a life that is known exactly. ``digest`` is the SHA-256 over
    ids and fingerprints, in order of the ids.
    """

    source: str
    digest: str
    cells: int
    exact: int
    shortest_life: float
    longest_life: float
    voltages: int
    highest_v: float
    lowest_v: float
    repairs: tuple[str, ...]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True)
class Fit:
    """One fitted model: its horizon, settings and features, and its errors.

    ``log_sd`` is the model's own cross-validated error of the natural log of life; ``scores`` are
    of five-fold cross-validation, None where that was not done.
    """

    at_cycle: int
    model: str
    level: float
    settings: Mapping[str, float | int | str | bool]
    features: tuple[Range, ...]
    log_sd: float
    scores: Scores | None = None


@dataclass(frozen=True)
class ModelCard:
    """Data, models (one a horizon), errors, and the packages that fitted them; no dates."""

    data: Data
    fits: tuple[Fit, ...]
    packages: Mapping[str, str] = field(default_factory=dict)
    format: str = FORMAT

    def to_json(self) -> str:
        """Canonical JSON: equal cards give equal text."""
        return json.dumps(self.state(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return plain

    @classmethod
    def from_state(cls, state: object) -> ModelCard:
        """Inverse of `state`. Raises ValueError, in one line, for anything else."""
        from pydantic import ValidationError

        try:
            card: ModelCard = _adapter().validate_python(state)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"is no model card: {place}: {first['msg']}") from error
        if card.format != FORMAT:
            raise ValueError(f"is a model card of format {card.format!r}, not {FORMAT!r}")
        return card

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Inverse of `to_json`. Raises ValueError."""
        return cls.from_state(json.loads(text))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_markdown(self) -> str:
        """The card as a page for people."""
        from surrogates.model_card_text import markdown

        return markdown(self)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(ModelCard)


# making one ----------------------------------------------------------------------------------


def carded(models: Sequence[CycleLifeModel], cells: Sequence[Cell], source: str) -> ModelCard:
    """The card of models fitted to these cells, one a horizon; nothing is fitted anew.

    Raises ValueError for no model, an unfitted one, or cells it was not fitted to.
    """
    if not models:
        raise ValueError("a card needs a model")
    return ModelCard(
        data=_data(cells, source),
        fits=tuple(_fit(model, cells) for model in models),
        packages=_packages(),
    )


def cross_validated(model: CycleLifeModel, cells: Sequence[Cell]) -> Scores | None:
    """Scores of models like this one, each fitted without a fifth of the cells and asked of it.

    At the model's own level and some others. None where too few cells would be left to fit.
    """
    parts = []
    levels = sorted({*(0.5, 0.8, 0.9, 0.95), model.level})
    if len(known(cells)) * (FOLDS - 1) < FEWEST_TRAINING_CELLS * FOLDS:
        return None
    for rest, held in folds(cells):
        like = CycleLifeModel(**model.get_params()).fit(rest)
        parts.append(answered(like, held, levels))
    return scored(joined(parts))


def fingerprint(cell: Cell) -> str:
    """16 hexadecimal digits that tell a cell's data, whatever its id."""
    total = hashlib.sha256(f"{cell.cycle_life!r}:{cell.censored}:{cell.q.shape}".encode())
    for array in (cell.voltage, cell.cycles, cell.q):
        total.update(array.tobytes())
    return total.hexdigest()[:16]


def _data(cells: Sequence[Cell], source: str) -> Data:
    ordered = sorted(cells, key=lambda cell: cell.id)
    exact = known(ordered)
    if not exact:
        raise ValueError("none of the training cells has a known life")
    lives = [cell.cycle_life or 0.0 for cell in exact]
    prints = {cell.id: fingerprint(cell) for cell in ordered}
    told = "".join(f"{name}:{data}\n" for name, data in prints.items())
    grid = exact[0].voltage
    return Data(
        source=source,
        digest=hashlib.sha256(told.encode()).hexdigest(),
        cells=len(ordered),
        exact=len(exact),
        shortest_life=min(lives),
        longest_life=max(lives),
        voltages=len(grid),
        highest_v=float(grid[0]),
        lowest_v=float(grid[-1]),
        repairs=tuple(
            f"{cell.id}, cycle {repair.cycle}: {repair.reason}"
            for cell in ordered
            for repair in cell.repairs
        ),
        fingerprints=prints,
    )


def _fit(model: CycleLifeModel, cells: Sequence[Cell]) -> Fit:
    learnt_from = {*model.fitted.training_ids, *model.fitted.censored_ids}
    taught = [cell for cell in cells if cell.id in learnt_from]
    if len(taught) < len(learnt_from):
        raise ValueError("the model was fitted to other cells")
    x = fitted_features.table(model, taught)
    ranges = zip(fitted_features.names(model), x.min(axis=0), x.max(axis=0), strict=True)
    return Fit(
        at_cycle=model.at_cycle,
        model=model.model,
        level=model.level,
        settings=_settings(json.loads(model.to_json())),
        features=tuple(Range(name, float(low), float(high)) for name, low, high in ranges),
        log_sd=model.cross_validated_log_sd,
    )


def _settings(told: Mapping[str, Any], before: str = "") -> dict[str, float | int | str | bool]:
    """Every single value in a model's JSON by its path; arrays are what was learnt.

    Left out are the format, how parts are stored (`type`) and the voltages, which `Data` has.
    """
    found: dict[str, float | int | str | bool] = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            found |= _settings(value, f"{before}{name}.")
        elif isinstance(value, str | int | float | bool) and name not in ("format", "type"):
            found[before + name] = value
    return {
        name.removeprefix("fitted."): value
        for name, value in found.items()
        if name not in ("at_cycle", "model", "level", "fitted.voltage.n")
    }


def _packages() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
