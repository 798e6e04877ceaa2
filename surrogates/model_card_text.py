"""A model card as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from surrogates.life_scores import Scores
from surrogates.model_card import Fit, ModelCard

MOST_FEATURES = 40  # above that, a table of ranges is no help
MOST_REPAIRS = 20


def markdown(card: ModelCard) -> str:
    """The whole page, ending in a line break."""
    return "\n".join(
        [*_data(card), *(line for fit in card.fits for line in _fit(fit)), *_use(card)]
    )


def _data(card: ModelCard) -> list[str]:
    data = card.data
    without = data.cells - data.exact
    lines = [
        "# Model card",
        "",
        "Predicts the cycle life of a cell from its first cycles.",
        "",
        "## Data",
        "",
        f"* source: {data.source}",
        f"* cells: {data.cells}"
        + (f", {without} of them without an exact life" if without else ""),
        f"* lives: {data.shortest_life:g} to {data.longest_life:g} cycles",
        f"* discharge curves: {data.voltages} voltages, {data.highest_v:g} to {data.lowest_v:g} V",
        f"* SHA-256: {data.digest}",
        f"* curves repaired: {len(data.repairs) or 'none'}",
    ]
    lines += [f"  * {told}" for told in data.repairs[:MOST_REPAIRS]]
    if len(data.repairs) > MOST_REPAIRS:
        lines.append(f"  * and {len(data.repairs) - MOST_REPAIRS} more")
    return [*lines, ""]


def _fit(fit: Fit) -> list[str]:
    lines = [
        f"## Model at {fit.at_cycle} cycles",
        "",
        f"* model: {fit.model}, intervals of {fit.level:.0%}",
        *(f"* {name}: {_plain(value)}" for name, value in sorted(fit.settings.items())),
        f"* cross-validated error: {fit.log_sd:.3f} in the natural log of life "
        f"(about {fit.log_sd:.1%} of the life)",
        *_scores(fit.scores),
        "",
    ]
    if len(fit.features) > MOST_FEATURES:
        return [*lines, f"It looks at {len(fit.features)} features.", ""]
    rows = [f"| {one.name} | {one.lowest:.6g} | {one.highest:.6g} |" for one in fit.features]
    return [*lines, *_table(("feature", "lowest", "highest in training"), rows), ""]


def _scores(found: Scores | None) -> list[str]:
    if found is None:
        return []
    covered = ", ".join(
        f"{one.covered:.0%} at {one.level:.0%} (median width {one.median_width:.2f} of the life)"
        for one in found.coverage
    )
    return [
        f"* five-fold cross-validation over {found.cells} cells: RMSE {found.rmse_cycles:.1f} "
        f"cycles, mean error {found.mape:.1%}, median error {found.median_error:.1%}, "
        f"bias {found.bias_cycles:+.1f} cycles",
        f"* intervals cover there: {covered}",
    ]


def _use(card: ModelCard) -> list[str]:
    data = card.data
    return [
        "## Where it holds",
        "",
        f"For cells like the training cells: lives of {data.shortest_life:g} to "
        f"{data.longest_life:g} cycles, the same voltages, features within the ranges above. "
        "Beyond, a prediction is flagged as extrapolating; take it, and its interval, with "
        "caution. Cells of another chemistry, protocol or temperature may be off without a flag.",
        "",
        "## Packages",
        "",
        ", ".join(f"{name} {told}" for name, told in sorted(card.packages.items())),
        "",
    ]


def _table(heads: Sequence[str], rows: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1), *rows]


def _plain(value: float | int | str | bool) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
