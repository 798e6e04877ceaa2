"""Older formats of fitted cycle-life models, read as the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT = "leyden.cycle_life.2"
FIRST = "leyden.cycle_life.1"  # linear models alone, one left out for each cell, no bounds


def upcast(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document in the present format; one that is in no known format stays as it is.

    Predictions are those of the release that wrote it, bit for bit. Raises KeyError or TypeError
    where an older document is damaged.
    """
    if document.get("format") != FIRST:
        return document
    old = dict(document["fitted"])
    penalties = old.pop("penalties")
    linear = {name: {"type": "linear", **old[name]} for name in ("full", "left_out")}
    fitted = {
        **old,
        **linear,
        "censored_ids": [],
        "settings": dict(penalties or {}),
        "fold": list(range(len(old["training_ids"]))),
    }
    return {**document, "format": FORMAT, "features": None, "fitted": fitted}
