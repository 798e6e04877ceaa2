"""Pictures of an electrode surrogate: design maps and sensitivities, as PNG, SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogates.electrode_map import DesignMap
from surrogates.electrode_sensitivity import VALIDITY, Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from surrogates.electrode_box import Axis

FORMATS = ("png", "svg", "pdf")
INK, MUTED, GRID = "#1b1f24", "#5b6570", "#dfe3e8"
FIRST, TOTAL, INVALID = "#0072b2", "#9fc8e3", "#e4e6e9"  # blue of Okabe and Ito (2008), and greys

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 10.0, "axes.titlesize": 11.5,
    "axes.labelsize": 10.5, "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.titlecolor": INK, "hatch.color": "#b4bac1", "hatch.linewidth": 0.7,
    "svg.hashsalt": "leyden", "svg.fonttype": "none", "text.parse_math": False,
    "savefig.dpi": 160.0, "legend.frameon": False, "axes.axisbelow": True,
}  # fmt: skip
_UNITS = {
    "W*h/kg": "Wh/kg", "W*h/l": "Wh/l", "mAh/cm**2": "mAh/cm²", "g/m**2": "g/m²", "um": "µm",
    "mol/m**3": "mol/m³", "1/h": "1/h",
}  # fmt: skip
_TAILS = ("_wh_kg", "_w_kg", "_wh_l", "_mah_cm2", "_g_m2", "_v", "_seconds")


def map_figure(found: DesignMap, kind: str) -> bytes:
    """The picture of a design map in one of `FORMATS`.

    Colours and labelled contours where designs are likely to be valid, hatching where they are not.
    """
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.9, 5.6), layout="constrained")
        axes = figure.add_subplot()
        if found.valid.any():
            _contours(figure, axes, found)
        _invalid(axes, found)
        box = found.model.box
        _scale(axes, box.axes[box.axis(found.x_name)], "x")
        _scale(axes, box.axes[box.axis(found.y_name)], "y")
        axes.set_title(_capital(_quantity(found.metric, _unit(found))), loc="left", pad=10)
        figure.supxlabel(_held(found), fontsize=8.0, color=MUTED, x=0.01, ha="left")
        return _saved(figure, kind)


def sensitivity_figure(found: Sensitivity, kind: str) -> bytes:
    """The picture of Sobol indices in one of `FORMATS`, most important at the top."""
    ranked = found.ranked()[::-1]
    names = [_plain(share.name) for share in ranked]
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 1.6 + 0.42 * len(ranked)), layout="constrained")
        axes = figure.add_subplot()
        at = np.arange(len(ranked))
        bars: dict[str, Any] = {"ecolor": INK, "capsize": 2.5, "error_kw": {"elinewidth": 1.0}}
        total, first = [s.total for s in ranked], [s.first for s in ranked]
        axes.barh(
            at + 0.19, total, 0.36, color=TOTAL, label="in all, with interactions (total)",
            xerr=[s.total_half for s in ranked], **bars,
        )  # fmt: skip
        axes.barh(
            at - 0.19, first, 0.36, color=FIRST, label="alone (first order)",
            xerr=[s.first_half for s in ranked], **bars,
        )  # fmt: skip
        axes.set_yticks(at, names)
        axes.set_xlim(min(0.0, axes.get_xlim()[0]), max(1.0, axes.get_xlim()[1]))
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"share of the variance, with {found.level:.0%} intervals")
        axes.set_title(f"What {_quantity(found.metric, '')} depends on", loc="left", pad=10)
        axes.legend(loc="lower right")
        return _saved(figure, kind)


def _contours(figure: Figure, axes: Axes, found: DesignMap) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator
    from scipy.ndimage import binary_dilation

    values = np.ma.masked_where(~found.valid, found.values)
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(abs(high), 1.0):
        high = low + max(abs(low), 1.0) * 1e-6
    levels = MaxNLocator(9).tick_values(low, high)
    # drawn beyond the border, which the hatching then covers smoothly
    shaded = axes.contourf(
        found.x, found.y, np.clip(found.values, levels[0], levels[-1]), levels, cmap="viridis"
    )
    # a little beyond the border too, so that the hatching ends the lines
    drawn = np.ma.masked_where(~binary_dilation(found.valid, iterations=2), found.values)
    lines = axes.contour(found.x, found.y, drawn, levels[1:-1], colors="white", linewidths=0.9)
    unit = _pretty(_unit(found))
    labels = axes.clabel(
        lines, fmt=lambda level: f"{level:g} {unit}".strip(), fontsize=8.0, inline=False
    )
    for label in labels:
        label.set_path_effects([withStroke(linewidth=2.2, foreground=INK, alpha=0.55)])
    bar = figure.colorbar(shaded, ax=axes, pad=0.02)
    bar.set_label(_quantity(found.metric, _unit(found)))
    bar.outline.set_visible(False)


def _invalid(axes: Axes, found: DesignMap) -> None:
    if found.valid.all():
        return
    axes.contourf(
        found.x,
        found.y,
        found.probability,
        [-1.0, 0.5],
        colors=[INVALID],
        hatches=["////"],
        zorder=4,
    )
    if found.valid.any():
        axes.contour(
            found.x, found.y, found.probability, [0.5], colors=INK, linewidths=1.4, zorder=5
        )
    row, column = _deepest(~found.valid)
    axes.annotate(
        "not valid", (float(found.x[column]), float(found.y[row])), ha="center", va="center",
        fontsize=10, color=INK, zorder=6,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
    )  # fmt: skip


def _deepest(region: Any) -> tuple[int, int]:
    """The cell of a region (n, n) that is farthest from its border: where a label fits best."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row), int(column)


def _scale(axes: Axes, axis: Axis, which: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    told = axes.xaxis if which == "x" else axes.yaxis
    label = _capital(_quantity(axis.name, axis.unit))
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(label)
    if axis.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        marks = [m * 10.0**e for e in range(-12, 13) for m in (1, 2, 5)]
        told.set_major_locator(FixedLocator([m for m in marks if axis.low <= m <= axis.high]))
        told.set_minor_locator(NullLocator())
        told.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _held(found: DesignMap) -> str:
    """The settings that do not vary, four a line."""
    units = {axis.name: _pretty(axis.unit) for axis in found.model.box.axes}
    words = [
        f"{_plain(name)} {value:.4g} {units[name]}".strip() for name, value in found.held.items()
    ]
    lines = [", ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    return ",\n".join(lines)


def _unit(found: DesignMap) -> str:
    return "1" if found.metric == VALIDITY else found.model.units[found.metric]


def _quantity(name: str, unit: str) -> str:
    """`specific energy (Wh/kg)`."""
    if name == VALIDITY:
        return "probability of a valid design"
    for tail in _TAILS:
        name = name.removesuffix(tail)
    text, unit = _plain(name), _pretty(unit)
    return f"{text} ({unit})" if unit else text


def _plain(name: str) -> str:
    spelt = {"c_rate": "C-rate", "np_ratio": "N/P ratio", "discharge": "discharge time"}
    return spelt.get(name, name.replace("_", " "))


def _pretty(unit: str) -> str:
    return "" if unit in ("", "1") else _UNITS.get(unit, unit)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def _saved(figure: Figure, kind: str) -> bytes:
    """The same bytes for the same figure: no dates."""
    dates: dict[str, Any] = {
        "png": {"Software": None}, "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }  # fmt: skip
    target = io.BytesIO()
    figure.savefig(target, format=kind, metadata=dates[kind])
    return target.getvalue()
