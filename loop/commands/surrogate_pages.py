"""What the commands of `leyden surrogate` print of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loop.commands.console import emit, emit_json, page, table

if TYPE_CHECKING:
    from surrogates.electrode import ElectrodeModel


def tell_model(model: ElectrodeModel, content: bytes, as_json: bool, path: Path) -> None:
    """A page, or one JSON object, of a surrogate."""
    from surrogates.electrode_file import digest

    if as_json:
        emit_json(
            {
                "surrogate": str(path),
                "digest": digest(content),
                "model": model.kind,
                "box": model.box.state(),
                "units": dict(model.units),
                "exact": sorted(model.relations),
                "provenance": dict(model.provenance),
                "scores": dict(model.scores),
            }
        )
        return
    rows = [
        (a.name, f"{a.low:g}", f"{a.high:g}", a.unit, "log" if a.log else "")
        for a in model.box.axes
    ]
    emit(f"{path}: {model.kind.replace('_', ' ')} on {model.provenance.get('identity', '')}")
    emit(f"digest {digest(content)}")
    page(table("Box", ("setting", ">low", ">high", "unit", "scale"), rows))
    tell_scores(
        f"{model.provenance.get('samples', '')} samples, cross-validated", model.scores, model
    )


def tell_scores(title: str, found: Mapping[str, Any], model: ElectrodeModel) -> None:
    """Validity, metrics and curves, in that order."""
    validity = found["validity"]
    balanced = validity["balanced_accuracy"]
    rows = [
        (name, model.units[name], f"{one['r2']:.4f}", f"{one['log_r2']:.5f}", f"{one['mae']:.3g}",
         f"{one['median_relative_error']:.2%}", f"{one['coverage']:.1%}")
        for name, one in found["metrics"].items()
    ]  # fmt: skip
    heads = ("metric", "unit", ">R2", ">R2 of log", ">mean error", ">median", ">in interval")
    page(table(title, heads, rows))
    emit(
        f"valid: {found['valid']} of {found['designs']} designs; told with accuracy "
        f"{validity['accuracy']:.3f}, balanced "
        f"{'(one sort only)' if balanced is None else f'{balanced:.3f}'}"
    )
    curve = found["curve"]
    emit(
        f"discharge curves: {curve['rms_mv']:.1f} mV root mean square, "
        f"{curve['median_rms_mv']:.1f} mV the middling one"
    )
    emit(f"intervals of {found['level']:.0%}")
