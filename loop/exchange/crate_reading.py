"""`leyden import crate`: a campaign exported as an RO-Crate, back into a store as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from loop.exchange.crate import FORMAT, METADATA, STORE, hashed
from loop.store.store import Store
from loop.store.transfer import CurveRow, CycleRow, EventRow, Whole

Row = TypeVar("Row")
DIGEST = re.compile("[0-9a-f]{64}")


@validated(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class About:
    """`store/campaign.json`."""

    format: Literal[1]
    campaign: str
    name: str
    number: int
    head: str
    events: int
    files: dict[str, str]


def import_crate(store: Store, folder: Path, head: str | None = None) -> str:
    """Store the campaign of a crate under its own id, with its own journal; returns the id.

    head: the hash that a report of the campaign printed; finds a journal that was cut off.
    Raises ValueError (one line: file, what is wrong) for a crate that is damaged, altered or
    incomplete, and for a campaign that the store has already; nothing is stored then.
    """
    _require_checksums(folder)
    whole = _whole(folder / STORE)
    if head is not None and head != whole.head:
        raise ValueError(f"{folder}: the journal ends with {whole.head}, not with {head}")
    try:
        store.adopt(whole)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    return whole.campaign


def _require_checksums(folder: Path) -> None:
    """Every file that the crate lists is there and is what was written."""
    listed = dict(_listed(folder))
    if not any(name.startswith(f"{STORE}/") for name in listed):
        raise ValueError(f"{folder / METADATA}: lists no file of {STORE}/: no crate of a campaign")
    for name, digest in listed.items():
        path = folder / name
        try:
            inside = path.resolve().is_relative_to(folder.resolve())
            found = hashed(path)[1] if inside else ""
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
        if found != digest:
            raise ValueError(f"{path}: was altered: its SHA-256 is not the one in {METADATA}")
    for path in sorted((folder / STORE).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed:
            raise ValueError(f"{path}: is not listed in {METADATA}")


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of the crate's files. Raises ValueError."""
    path = folder / METADATA
    told = _json(path)
    graph = told.get("@graph") if isinstance(told, dict) else None
    if not isinstance(graph, list):
        raise ValueError(f"{path}: has no @graph; not an RO-Crate")
    for one in graph:
        if not isinstance(one, dict) or one.get("@type") != "File":
            continue
        name, digest = one.get("@id"), one.get("sha256")
        if not isinstance(name, str) or not isinstance(digest, str):
            raise ValueError(f"{path}: a File without @id or sha256")
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\\" in name:
            raise ValueError(f"{path}: {name!r} leads out of the crate")
        yield name, digest


def _whole(folder: Path) -> Whole:
    about = _about(folder / "campaign.json")
    events = tuple(_rows(folder / "journal.jsonl", EventRow))
    if len(events) != about.events or not events or events[-1].hash != about.head:
        raise ValueError(f"{folder / 'journal.jsonl'}: is not the journal that campaign.json tells")
    contents = {
        path.name: path.read_bytes()
        for path in sorted((folder / "contents").glob("*"))  # an empty folder may get lost
        if DIGEST.fullmatch(path.name)
    }
    return Whole(
        campaign=about.campaign,
        name=about.name,
        number=about.number,
        text=_bytes(folder / "campaign.toml").decode(),
        files=about.files,
        events=events,
        cycles=tuple(_rows(folder / "cycles.jsonl", CycleRow)),
        curves=tuple(_rows(folder / "curves.jsonl", CurveRow)),
        contents=contents,
    )


def _about(path: Path) -> About:
    told = _json(path)
    if isinstance(told, dict) and told.get("format") != FORMAT:
        raise ValueError(f"{path}: format {told.get('format')!r} is not known; {FORMAT} is")
    try:
        return TypeAdapter(About).validate_json(json.dumps(told))
    except ValidationError as error:
        raise ValueError(f"{path}: {_first(error)}") from error


def _rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    adapter = TypeAdapter(kind)
    for number, line in enumerate(_bytes(path).splitlines(), start=1):
        try:
            yield adapter.validate_json(line)
        except ValidationError as error:
            raise ValueError(f"{path}: line {number}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}" if where else str(found["msg"])


def _json(path: Path) -> Any:
    content = _bytes(path)
    try:
        return json.loads(content)
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error})") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
