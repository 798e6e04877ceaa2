"""A fitted model of cycle life with its card as one sealed JSON file; no byte of it may change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from surrogates.cycle_life import CycleLifeModel
from surrogates.model_card import ModelCard

FORMAT = "leyden.predictor.1"
_FAMILY = "leyden.predictor."


class NoPredictor(ValueError):
    """The content is damaged, or no predictor of this format."""


@dataclass(frozen=True)
class Predictor:
    """A fitted model and what it was made of."""

    model: CycleLifeModel
    card: ModelCard


def to_bytes(predictor: Predictor) -> bytes:
    """The content of its file; equal models and cards give equal bytes."""
    model = json.loads(predictor.model.to_json())
    return _rendered(model, predictor.card.state())


def from_bytes(content: bytes) -> Predictor:
    """Inverse of `to_bytes`; predictions are bit-identical.

    Raises NoPredictor, a ValueError, with one line: what is no such file, is cut short, was changed
    in any byte, or was written by a newer release.
    """
    document = _parsed(content)
    told = document.get("format")
    if told != FORMAT:
        if isinstance(told, str) and told.startswith(_FAMILY):
            raise NoPredictor(f"is of format {told!r}; this release reads {FORMAT!r}")
        raise NoPredictor(f"is no predictor of format {FORMAT!r}")
    if set(document) != {"format", "model", "card", "sha256"}:
        raise NoPredictor(f"is damaged: a predictor has other fields than {sorted(document)}")
    # The file holds the canonical text and nothing else, so a change of any byte shows.
    if _rendered(document["model"], document["card"]) != content:
        raise NoPredictor("was changed after it was written: its SHA-256 does not match")
    try:
        model = CycleLifeModel.from_json(_canonical(document["model"]))
        return Predictor(model, ModelCard.from_state(document["card"]))
    except ValueError as error:
        raise NoPredictor(f"is no predictor that this release can use: {error}") from error


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise NoPredictor("is no predictor: it is not (whole) JSON text") from error
    if not isinstance(document, dict):
        raise NoPredictor(f"is no predictor of format {FORMAT!r}")
    return document


def _rendered(model: Any, card: Any) -> bytes:
    sealed = {"card": card, "format": FORMAT, "model": model}
    seal = hashlib.sha256(_canonical(sealed).encode()).hexdigest()
    return (_canonical({**sealed, "sha256": seal}) + "\n").encode()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
