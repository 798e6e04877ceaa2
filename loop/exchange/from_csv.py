"""`leyden import csv`: a table of settings and results becomes a campaign."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from campaigns.campaign import Campaign, load, parse
from campaigns.records import Bound
from loop.exchange.recording import Result, keep
from loop.exchange.results_table import Naming, Recorded, read
from loop.optimizers import registry as optimizers
from loop.state import RECORDED
from loop.store.store import Store

RESULTS = "recorded_results.csv"  # the stand-in for the instrument that measured elsewhere


def import_csv(
    store: Store,
    table: Path,
    campaign_file: Path,
    naming: Naming,
    *,
    derived: bool = False,
) -> tuple[str, Recorded]:
    """Store the results in `table` as a campaign of that file; its id, and what was read.

    A campaign file without an instrument gets the recorded results as its `table`. derived: the
    campaign's own optimiser asked for these trials, so that an audit derives them again.
    Raises CampaignError and ValueError (one line each: file, line, column) with nothing stored.
    """
    campaign = _campaign(campaign_file)
    recorded = read(campaign, table.name, _content(table), naming)
    campaign = with_results(campaign, recorded.results)
    by = campaign.optimizer.kind if derived else RECORDED
    return keep(store, campaign, recorded.results, recorded.epoch, by=by), recorded


def _campaign(path: Path) -> Campaign:
    """The campaign of a file, with an instrument to be filled in where it has none."""
    known = {"optimizer": optimizers.known()}
    try:
        tables = tomllib.loads(_content(path).decode("utf-8-sig"))
    except ValueError:
        return load(str(path), known=known)  # which tells what is wrong, and where
    missing = not {"instrument", "steps"} & tables.keys()
    return load(str(path), {"instrument.kind": "table"} if missing else {}, known=known)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error


def with_results(campaign: Campaign, results: Sequence[Result]) -> Campaign:
    """The campaign; where its instrument is a table without options, with the results as that.

    Raises ValueError where no result is complete.
    """
    spec = campaign.instrument
    if spec.kind != "table" or spec.options:
        return campaign
    names, metrics = campaign.space.names, _units(campaign, results)
    rows = list(_rows(names, metrics, results))
    if not rows:
        raise ValueError("no trial has all its results; without one there is no table of them")
    options = {
        "file": RESULTS,
        "parameters": {name: name for name in names},
        "metrics": {m: {"column": m, "unit": unit} for m, unit in metrics.items()},
        "units": {p.name: p.unit for p in campaign.space.parameters},
        "hours": "hours",
    }
    files = {**campaign.files, RESULTS: _csv([*names, *metrics, "hours"], rows)}
    return parse(campaign.text, files, {"instrument.options": options})


def _units(campaign: Campaign, results: Sequence[Result]) -> dict[str, str]:
    """The metrics that the results hold, with their units."""
    found = {m: one.unit for result in results for m, one in result.outcomes.items()}
    return {metric: unit or "1" for metric, unit in sorted(found.items())}


def _rows(
    names: Sequence[str], metrics: Iterable[str], results: Sequence[Result]
) -> Iterable[list[Any]]:
    for one in results:
        known = [one.outcomes.get(metric) for metric in metrics]
        values = [o.mean for o in known if o is not None and o.bound is Bound.EXACT]
        if len(values) == len(known):
            yield [*(one.setting[name] for name in names), *values, one.hours]


def _csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return stream.getvalue().encode()
