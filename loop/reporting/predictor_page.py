"""The page of an evaluation of early predictors: one HTML file that needs nothing else."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from loop.reporting import predictor_figures as figures
from loop.reporting.pages import templates

if TYPE_CHECKING:
    from surrogates.life_evaluation import Evaluation, Tested

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(found: Evaluation) -> str:
    """The whole page; the same evaluation gives the same page."""
    from markupsafe import Markup

    environment = templates()
    style = resources.files("loop").joinpath("templates", "report.css").read_text("utf-8")
    page: str = environment.get_template("predictor.html").render(
        style=Markup(style),
        policy=POLICY,
        found=found,
        headline=found.last(found.models[0]),
        rows=[_row(one) for one in found.results],
        models=[_model(found.last(model), str(i)) for i, model in enumerate(found.models)],
        coverage=Markup(figures.coverage(found)),
        cycles=Markup(figures.over_cycles(found)),
    )
    return page


def _row(one: Tested) -> tuple[str, ...]:
    scores, level = one.scores, one.scores.at(figures.SHOWN_LEVEL)
    return (
        one.model, str(one.at_cycle), str(scores.cells), f"{scores.rmse_cycles:.1f}",
        f"{scores.bias_cycles:+.1f}".replace("-", "−"), f"{100 * scores.mape:.1f}",
        f"{100 * scores.median_error:.1f}", f"{100 * level.covered:.0f}",
        f"{100 * level.median_width:.0f}", str(one.flagged),
        "–" if one.within is None else f"{one.within.rmse_cycles:.1f}",
        "–" if one.within is None else f"{100 * one.within.mape:.1f}",
        f"{100 * one.calls.error_rate:.0f}",
    )  # fmt: skip


def _model(one: Tested, salt: str) -> dict[str, Any]:
    from markupsafe import Markup

    return {
        "tested": one,
        "parity": Markup(figures.parity(one, salt)),
        "importance": Markup(figures.importances(one, salt)),
    }
