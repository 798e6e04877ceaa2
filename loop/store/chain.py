"""The hash chain that ties every event to all those before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from loop.events import VERSION, Body, Event, decode, encode

GENESIS = "0" * 64  # what stands before the first event


def link(
    previous: str,
    campaign: str,
    seq: int,
    version: int,
    kind: str,
    payload: str,
    recorded_at: str,
) -> str:
    """The hash of one event: SHA-256 of a JSON list of all that it says and of the hash before."""
    parts = [previous, campaign, seq, version, kind, payload, recorded_at]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def extend(campaign: str, seq: int, head: str, bodies: Iterable[Body]) -> list[Event]:
    """The events that follow number `seq` with hash `head`; bodies are as read back from text."""
    recorded_at = datetime.now(UTC).isoformat(timespec="microseconds")
    events = []
    for body in bodies:
        seq += 1
        payload = encode(body)
        event = Event(
            campaign=campaign,
            seq=seq,
            version=VERSION,
            kind=body.kind,
            payload=payload,
            recorded_at=recorded_at,
            previous=head,
            hash=link(head, campaign, seq, VERSION, body.kind, payload, recorded_at),
            body=decode(body.kind, payload),
        )
        head = event.hash
        events.append(event)
    return events


def breaks(rows: Iterable[tuple[str, int, int, str, str, str, str, str]]) -> Iterator[str]:
    """What is wrong in the events of one campaign, given in order as stored; nothing if whole."""
    expected, head = 1, GENESIS
    for campaign, seq, version, kind, payload, recorded_at, previous, stored in rows:
        if seq != expected:
            yield f"event {expected} is missing"
        if previous != head:
            yield f"event {seq} does not follow the event before it"
        if link(previous, campaign, seq, version, kind, payload, recorded_at) != stored:
            yield f"event {seq} was altered: its hash does not match its content"
        expected, head = seq + 1, stored
