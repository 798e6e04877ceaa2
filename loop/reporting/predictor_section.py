"""The cards of a campaign's early predictors, as the report, the terminal and exports tell them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.model_cards import stored
from loop.summary import number

if TYPE_CHECKING:
    from loop.events import Event
    from loop.store.store import Store
    from surrogates.life_scores import Scores
    from surrogates.model_card import Fit, ModelCard


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """What a card says in a few lines: name and value."""
    data = card.data
    rows = [
        ("trained on", f"{data.exact} cells of known life: {data.source}"),
        ("lives", f"{data.shortest_life:g} to {data.longest_life:g} cycles"),
        ("curves", f"{data.voltages} voltages, {data.highest_v:g} to {data.lowest_v:g} V; "
         f"{len(data.repairs) or 'none'} repaired"),
        ("SHA-256 of the data", data.digest),
    ]  # fmt: skip
    if data.cells > data.exact:
        rows.insert(1, ("without an exact life", f"{data.cells - data.exact} cells"))
    for fit in card.fits:
        rows.append((f"at {fit.at_cycle} cycles", _fit(fit)))
        rows += _scores(fit.scores)
    versions = ", ".join(f"{name} {told}" for name, told in sorted(card.packages.items()))
    return [*rows, ("packages", versions)]


def _fit(fit: Fit) -> str:
    return (
        f"{fit.model}, {len(fit.features)} features; cross-validated error "
        f"{fit.log_sd:.3f} in the natural log of life (about {fit.log_sd:.1%} of the life)"
    )


def _scores(found: Scores | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    covered = ", ".join(f"{one.covered:.0%} at {one.level:.0%}" for one in found.coverage)
    return [
        (
            "five-fold cross-validation",
            f"RMSE {found.rmse_cycles:.1f} cycles, mean error {found.mape:.1%}",
        ),
        ("intervals cover", covered),
    ]


def ranges(card: ModelCard) -> list[tuple[str, str, str, str]]:
    """Cycles, feature, lowest and highest value in training."""
    return [
        (str(fit.at_cycle), one.name, number(one.lowest), number(one.highest))
        for fit in card.fits
        for one in fit.features
    ]


def section(cards: Sequence[tuple[str, ModelCard]]) -> list[dict[str, Any]]:
    """What the report's template is given, a card each."""
    return [{"model": model, "facts": facts(card), "ranges": ranges(card)} for model, card in cards]


def line(card: ModelCard) -> str:
    """For the terminal: which model, how good, from how many cells."""
    cycles = ", ".join(str(fit.at_cycle) for fit in card.fits)
    errors = ", ".join(f"{fit.log_sd:.1%}" for fit in card.fits)
    told = f"{card.fits[0].model} at {cycles} cycles, cross-validated error {errors}"
    return f"{told}; trained on {card.data.exact} cells"


def told(model: str, card: ModelCard) -> dict[str, Any]:
    """For `leyden show --json`."""
    return {
        "model": model,
        "card": card.digest,
        "training_cells": card.data.exact,
        "horizons": [
            {"at_cycle": fit.at_cycle, "model": fit.model, "cross_validated_log_sd": fit.log_sd}
            for fit in card.fits
        ],
    }


def export_models(store: Store, events: Sequence[Event], folder: Path) -> int:
    """Write each model as stored, its card, and both as a file for `leyden predict`; how many.

    Raises OSError, StoreError.
    """
    from surrogates.cycle_life import CycleLifeModel
    from surrogates.predictor_file import Predictor, to_bytes

    cards = dict(stored(store, events))
    for digest, card in cards.items():
        folder.mkdir(parents=True, exist_ok=True)
        content = store.artifact(digest)
        (folder / f"{digest}.json").write_bytes(content)
        text = card.to_markdown()
        (folder / f"{digest}.md").write_text(text, encoding="utf-8", newline="\n")
        if len(card.fits) == 1:
            model = CycleLifeModel.from_json(content.decode())
            (folder / f"{digest}.predictor.json").write_bytes(to_bytes(Predictor(model, card)))
    return len(cards)
