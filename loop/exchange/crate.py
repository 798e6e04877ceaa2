"""A campaign as an RO-Crate: everything recorded, byte by byte, and what a person can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loop import report
from loop.events import Created, EngineStarted
from loop.exchange.crate_metadata import metadata
from loop.exchange.exporting import export_to
from loop.store.store import Store
from loop.store.transfer import Whole

METADATA = "ro-crate-metadata.json"
STORE = "store"  # the folder that an import reads; all else is for people and other programs
FORMAT = 1  # of that folder


def export_crate(store: Store, campaign_id: str, folder: Path) -> tuple[str, int]:
    """Write a campaign as an RO-Crate 1.1 into an empty folder; its head hash and files written.

    Raises ValueError for a folder with something in it, OSError where it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is not empty; a crate needs a folder of its own")
    whole = store.whole(campaign_id)
    export_to(store, campaign_id, folder / "tables", curves=True)
    report.write(store, campaign_id, folder / "report.html")
    _write_whole(whole, folder / STORE)
    _text(folder / "environment.json", _environments(store, campaign_id))
    files = {path: hashed(folder / path) for path in _all(folder)}
    told = metadata(store, campaign_id, files)
    (folder / METADATA).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return whole.head, len(files) + 1


def hashed(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file."""
    content = path.read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()


def _all(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _write_whole(whole: Whole, folder: Path) -> None:
    """The folder that an import reads: rows as lines of JSON, contents by their SHA-256."""
    (folder / "contents").mkdir(parents=True)
    about = {
        "format": FORMAT,
        "campaign": whole.campaign,
        "name": whole.name,
        "number": whole.number,
        "head": whole.head,
        "events": len(whole.events),
        "files": dict(whole.files),
    }
    _text(folder / "campaign.json", about)
    (folder / "campaign.toml").write_bytes(whole.text.encode())
    _lines(folder / "journal.jsonl", whole.events)
    _lines(folder / "cycles.jsonl", whole.cycles)
    _lines(folder / "curves.jsonl", whole.curves)
    for digest, content in whole.contents.items():
        (folder / "contents" / digest).write_bytes(content)


def _lines(path: Path, rows: Iterable[Any]) -> None:
    with path.open("w", encoding="ascii", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(asdict(row), sort_keys=True) + "\n")


def _text(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")


def _environments(store: Store, campaign_id: str) -> list[dict[str, Any]]:
    """What the campaign was made on, and every engine that ran it, as the journal says."""
    return [
        {"event": event.seq, "environment": event.body.environment}
        for event in store.events(campaign_id)
        if isinstance(event.body, Created | EngineStarted)
    ]
