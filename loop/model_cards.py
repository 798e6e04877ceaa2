"""The card of each early predictor that a campaign fits: made, stored with it, read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loop.events import Event, Fitted
from loop.store.errors import StoreError

if TYPE_CHECKING:
    from campaigns.campaign import TrainingSpec
    from loop.store.store import Store
    from surrogates.cells import Cell
    from surrogates.model_card import ModelCard


def made(
    models: Sequence[object], cells: Sequence[Cell], training: TrainingSpec
) -> dict[str, bytes]:
    """The card's text by its SHA-256; empty for models of other packages, which have none.

    Nothing is fitted anew for it: its error is the cross-validated one that the models know.
    """
    from surrogates.cycle_life import CycleLifeModel
    from surrogates.model_card import carded

    ours = [model for model in models if isinstance(model, CycleLifeModel)]
    if not ours:
        return {}
    card = carded(ours, cells, _source(training))
    return {card.digest: card.to_json().encode()}


def _source(training: TrainingSpec) -> str:
    """Where the cells came from, the same for every run of a campaign file."""
    if training.simulate:
        return f"{training.simulate} training cells of the campaign itself"
    if training.folder:
        splits = ", ".join(training.splits or ())
        return f"recorded cells in {Path(training.folder).name}" + (f": {splits}" if splits else "")
    return f"measured cells of the campaign {training.campaign}"


def stored(store: Store, events: Iterable[Event]) -> list[tuple[str, ModelCard]]:
    """Models and cards that a campaign's events name, oldest first. Raises StoreError."""
    fitted = [event.body for event in events if isinstance(event.body, Fitted)]
    return [(body.model, _read(store, body.card)) for body in fitted if body.card]


def _read(store: Store, digest: str) -> ModelCard:
    from surrogates.model_card import ModelCard

    try:
        return ModelCard.from_json(store.artifact(digest).decode())
    except ValueError as error:  # whole, by its digest: another release wrote it
        raise StoreError(f"{store.url}: the model card {digest}: {error}") from error
