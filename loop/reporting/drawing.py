"""How figures look, and how they become SVG that follows the page's light or dark theme."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from campaigns.records import Estimate

# Stand-ins drawn with, then replaced by the page's variables. The hues are those of Okabe and Ito
# (2008), told apart by colour-blind readers; each theme has its own shade of them.
INK, MUTED, GRID, CARD = "#010203", "#010204", "#010205", "#010206"
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#010207", "#010208", "#010209", "#01020a", "#01020b", "#01020c",
)  # fmt: skip
VARIABLES = {
    INK: "ink", MUTED: "muted", GRID: "grid", CARD: "card", BLUE: "blue", ORANGE: "orange",
    GREEN: "green", RED: "red", PURPLE: "purple", GREY: "grey",
}  # fmt: skip
STATES = {
    "training": GREY, "completed": GREEN, "predicted": BLUE, "running": ORANGE, "failed": RED,
    "stopped": PURPLE, "lost": RED,
}  # fmt: skip
COLOURS = "viridis"
MANY = 2500  # marks of one kind above which they are drawn as pixels
LONGEST = 42  # characters of a name in a figure

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans",
    "font.size": 11.5, "axes.titlesize": 11.5, "axes.labelsize": 11.5, "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5, "legend.frameon": False, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "axes.titlecolor": INK, "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.grid": True, "grid.color": GRID,
    "grid.linewidth": 0.8, "axes.axisbelow": True, "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.facecolor": "none", "lines.linewidth": 1.8,
    "legend.labelcolor": INK, "figure.dpi": 72.0, "savefig.dpi": 144.0,
    "axes.formatter.limits": (-4, 6), "axes.formatter.use_mathtext": False,
}  # fmt: skip


@contextmanager
def style(salt: str) -> Iterator[None]:
    """The look of every figure; `salt` keeps the ids of two figures on one page apart."""
    import matplotlib as mpl

    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches of 72 points; 10 wide fills the page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def drawn(salt: str, title: str, draw: Callable[[], Figure | None]) -> str:
    """The SVG of what `draw` returns; "" where there is nothing to draw."""
    with style(salt):
        made = draw()
        if made is None:
            return ""
        buffer = io.StringIO()
        made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inlined(buffer.getvalue(), title)


def _inlined(svg: str, title: str) -> str:
    """Fit for HTML: no prolog, no metadata, no addresses, colours by variable, text of the page."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # nothing refers to groups; their names repeat
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    label = escape(title, quote=True)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg class="plot" role="img" aria-label="{label}" {box[0] if box else ""}>'
    svg = re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)
    for stand_in, name in VARIABLES.items():
        svg = svg.replace(stand_in, f"var(--{name})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    return re.sub(r"\n\s*", "\n", svg)


# words and axes ------------------------------------------------------------------------------


def named(name: str, unit: str = "1") -> str:
    """`cc1 (1/h)`, `cycle life`: a quantity as an axis is labelled."""
    text = name.replace("_", " ")
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return text if unit in ("", "1") else f"{text} ({unit})"


def thousands(axes: Axes, which: str = "x") -> None:
    """Write large numbers with a separator, never with an exponent offset."""
    from matplotlib.ticker import FuncFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    if max(abs(low), abs(high)) >= 1000:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def reach(estimates: Sequence[Estimate]) -> list[list[float]]:
    """How far the intervals reach down and up from their means (2, n); 0 where it is not known."""
    down = [one.mean - one.lower for one in estimates]
    up = [one.upper - one.mean for one in estimates]
    return [[max(0.0, x) if math.isfinite(x) else 0.0 for x in side] for side in (down, up)]


def as_pixels(n: int) -> bool:
    """Whether so many marks are better drawn as pixels."""
    return n > MANY
