"""An electrode surrogate as one file: deterministic, without pickle, refused when damaged."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.electrode import ElectrodeModel
from surrogates.electrode_archive import NoArchive, packed, unpacked
from surrogates.electrode_box import Box
from surrogates.electrode_curves import CurveShape
from surrogates.electrode_fit import ERRORS, KINDS, Ensemble, Logistic
from surrogates.electrode_intervals import Intervals
from surrogates.electrode_relations import FORMULAS, Relation

FORMAT = "leyden.electrode_surrogate.1"


def to_bytes(model: ElectrodeModel) -> bytes:
    """The content of its file; equal models give equal bytes."""
    manifest = {
        "format": FORMAT,
        "box": model.box.state(),
        "kind": model.kind,
        "units": dict(model.units),
        "metrics": list(model.metrics),
        "relations": {name: one.state() for name, one in model.relations.items()},
        "chance": model.chance.state(),
        "reach": model.reach,
        "scores": dict(model.scores),
        "provenance": dict(model.provenance),
    }
    arrays: dict[str, NDArray[np.generic]] = {
        "curve_mean": model.shape.mean,
        "curve_components": model.shape.components,
        "conformity": model.intervals.scores,
        "places": model.places,
        **model.performance.arrays("performance"),
        **model.margin.arrays("margin"),
        **model.shape.weights.arrays("curve"),
        **model.intervals.sizes.arrays("sizes"),
    }
    return packed(manifest, arrays)


def from_bytes(content: bytes) -> ElectrodeModel:
    """Inverse of `to_bytes`; predictions are bit-identical. Raises NoArchive, a ValueError."""
    manifest, arrays = unpacked(content)
    if manifest.get("format") != FORMAT:
        raise NoArchive(f"is no electrode surrogate of format {FORMAT!r}")
    try:
        return _built(manifest, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoArchive(f"is no electrode surrogate: {error}") from error


def digest(content: bytes) -> str:
    """SHA-256 of the file, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _built(told: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ElectrodeModel:
    kind = KINDS[told["kind"]]
    names = told["metrics"]
    if unmade := [name for name in names if name not in FORMULAS]:
        raise ValueError(f"no metric {unmade[0]!r} is known")
    scores = np.asarray(arrays["conformity"], dtype=np.float64)
    if scores.shape[:1] != (len(names),) or not scores.size:
        raise ValueError("scores and metrics do not fit")
    return ElectrodeModel(
        box=Box.from_state(told["box"]),
        kind=told["kind"],
        units={name: told["units"][name] for name in names},
        relations={name: Relation.from_state(one) for name, one in told["relations"].items()},
        performance=Ensemble.from_arrays(arrays, "performance", kind),
        margin=Ensemble.from_arrays(arrays, "margin", kind),
        chance=Logistic(**told["chance"]),
        shape=CurveShape(
            np.asarray(arrays["curve_mean"], dtype=np.float64),
            np.asarray(arrays["curve_components"], dtype=np.float64),
            Ensemble.from_arrays(arrays, "curve", kind),
        ),
        intervals=Intervals(Ensemble.from_arrays(arrays, "sizes", ERRORS), scores),
        places=np.asarray(arrays["places"], dtype=np.float32),
        reach=float(told["reach"]),
        scores=told["scores"],
        provenance=told["provenance"],
    )
