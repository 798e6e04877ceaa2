"""`leyden export`: a campaign as a folder of tables with a dictionary, its files, its models."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from loop.exchange.cycling_data import cycle_table, write_curves
from loop.exchange.dictionary import dictionary
from loop.reporting.predictor_section import export_models
from loop.reporting.record import read
from loop.reporting.tables import exported
from loop.store.store import Store

Form: TypeAlias = Literal["csv", "parquet"]
DICTIONARY = "datapackage.json"
Row: TypeAlias = Sequence[Any]


def export_to(
    store: Store, campaign_id: str, folder: Path, form: Form = "csv", *, curves: bool = False
) -> tuple[str, dict[str, int]]:
    """Write the campaign's tables and its file into a folder; the head hash and rows a file.

    curves: also every measured curve, a file an attempt (they can be large).
    Raises OSError where the folder cannot be written, ValueError for Parquet without pyarrow,
    before anything is written.
    """
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValueError("writing Parquet needs the package pyarrow (extra `data`)")
    record = read(store, campaign_id)
    events = store.events(campaign_id)
    text, files = store.document(campaign_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.toml").write_text(text, encoding="utf-8", newline="")
    for name, content in files.items():
        beside(folder, name).write_bytes(content)
    tables = exported(record, events)
    heads, cycles = cycle_table(store, campaign_id, events)
    if cycles:
        tables["cycles"] = heads, list(cycles)
    rows = {}
    write = _csv if form == "csv" else _parquet
    for name, (columns, lines) in tables.items():
        write(folder / f"{name}.{form}", columns, lines)
        rows[f"{name}.{form}"] = len(lines)
    heads_of = {name: columns for name, (columns, _) in tables.items()}
    if curves:
        rows |= write_curves(store, campaign_id, events, folder)
    told = dictionary(campaign_id, record.campaign, heads_of, form, sorted(rows))
    _json(folder / DICTIONARY, told)
    export_models(store, events, folder / "models")
    return record.state.head, rows


def beside(folder: Path, name: str) -> Path:
    """Where a file the campaign names goes: by its name as written, but never out of the folder."""
    place = (folder / name).resolve()
    if not place.is_relative_to(folder.resolve()):
        place = folder.resolve() / "files" / Path(name).name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _csv(path: Path, heads: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(heads)
        writer.writerows(rows)


def _parquet(path: Path, heads: Row, rows: Sequence[Row]) -> None:
    """Columns of one type each; where values of several types stand in one, as text."""
    import pandas as pd

    columns: dict[str, pd.Series[Any]] = {}
    for i, head in enumerate(heads):
        values, dtype = _column([row[i] for row in rows])
        columns[head] = pd.Series(values, dtype=dtype)
    pd.DataFrame(columns).to_parquet(path, engine="pyarrow", index=False)


_DTYPES: Mapping[type, str] = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}


def _column(values: Sequence[Any]) -> tuple[list[Any], str]:
    """The values, None where there is none, with their type; mixtures as text."""
    found = [None if value is None or value == "" else _plain(value) for value in values]
    kinds = {type(value) for value in found if value is not None}
    if kinds == {int, float}:
        return found, _DTYPES[float]
    if len(kinds) == 1:
        return found, _DTYPES[kinds.pop()]
    return [None if value is None else str(value) for value in found], _DTYPES[str]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _json(path: Path, told: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8", newline="\n")
