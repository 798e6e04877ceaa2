"""The `ro-crate-metadata.json` of a campaign: RO-Crate 1.1, with BattINFO terms for cells."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any

from campaigns.campaign import Campaign
from campaigns.records import Setting
from loop.events import Event
from loop.exchange.cycling_data import attempts
from loop.restoring import restore
from loop.state import CampaignState
from loop.store.store import Store

CRATE = "https://w3id.org/ro/crate/1.1"
# BattINFO, the battery domain of EMMO: its classes go by opaque names
BATTERY = "https://w3id.org/emmo/domain/battery#battery_"
TERMS = {
    "BatteryCell": BATTERY + "68ed592a_7924_45d0_a108_94d6275d57f0",
    "BatteryTest": BATTERY + "dca7729a_421a_4921_90cf_9692bb9eb081",
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
}
WORDS = {
    "report.html": "The campaign's report",
    "environment.json": "Package versions and hosts of every engine that ran the campaign",
    "store/campaign.toml": "The campaign file as it was frozen",
    "store/journal.jsonl": "The journal: every event as stored, in a hash chain",
    "store/cycles.jsonl": "Summary of every cycle, as stored",
    "store/curves.jsonl": "Which stored blob holds the curves of which cycles",
    "tables/datapackage.json": "Data dictionary of the tables",
}
FORMATS = {
    ".jsonl": "application/jsonl",
    ".toml": "application/toml",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
}


def metadata(
    store: Store, campaign_id: str, files: Mapping[str, tuple[int, str]]
) -> dict[str, Any]:
    """The JSON-LD that describes a crate; files: path in the crate -> size, SHA-256."""
    state, events = restore(store, campaign_id), store.events(campaign_id)
    tests = list(_tests(state, events, files))
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": campaign_id,
        "description": state.campaign.description or f"The campaign {campaign_id}",
        "identifier": state.head,
        "dateCreated": events[0].recorded_at,
        "datePublished": events[-1].recorded_at,
        "license": "Not stated: ask whoever gave you this crate",
        "hasPart": [{"@id": path} for path in files],
        "mentions": [{"@id": one["@id"]} for one in tests if "BatteryTest" in one["@type"]],
        "variableMeasured": [_measured(one.metric, one.unit) for one in state.campaign.objectives],
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": CRATE},
        "about": {"@id": "./"},
    }
    described = [_file(path, size, digest) for path, (size, digest) in files.items()]
    return {
        "@context": [f"{CRATE}/context", TERMS],
        "@graph": [descriptor, root, *described, *tests],
    }


def _file(path: str, size: int, digest: str) -> dict[str, Any]:
    ending = "." + path.rpartition(".")[2] if "." in path else ""
    known = FORMATS.get(ending) or mimetypes.guess_type(path)[0]
    told = {
        "@id": path,
        "@type": "File",
        "name": WORDS.get(path, path.rpartition("/")[2]),
        "contentSize": str(size),
        "encodingFormat": known or "application/octet-stream",
        "sha256": digest,
    }
    return told


def _measured(metric: str, unit: str) -> dict[str, Any]:
    return {"@type": "PropertyValue", "name": metric, "unitText": unit}


def _tests(state: CampaignState, events: list[Event], files: Mapping[str, tuple[int, str]]) -> Any:
    """A cell and its test for every attempt that gave per-cycle data; the setting is its
    protocol."""
    for trial, attempt in attempts(events):
        number = f"{trial}-{attempt}"
        curves = f"tables/curves/trial-{trial}-attempt-{attempt}.bdf.csv"
        parts = [path for path in (curves, "tables/cycles.csv") if path in files]
        yield {
            "@id": f"#cell-{number}",
            "@type": ["Product", "BatteryCell"],
            "name": f"Cell of trial {trial}, attempt {attempt}",
        }
        yield {
            "@id": f"#test-{number}",
            "@type": ["CreateAction", "BatteryTest"],
            "name": f"Test of trial {trial}, attempt {attempt}",
            "object": {"@id": f"#cell-{number}"},
            "instrument": {"@id": f"#instrument-{state.campaign.instrument.kind}"},
            "result": [{"@id": path} for path in parts],
            "additionalProperty": _protocol(state.campaign, state.history.trial(trial).parameters),
        }
    yield {
        "@id": f"#instrument-{state.campaign.instrument.kind}",
        "@type": "Product",
        "name": state.campaign.instrument.kind,
    }


def _protocol(campaign: Campaign, setting: Setting) -> list[dict[str, Any]]:
    units = {one.name: one.unit for one in (*campaign.space.parameters, *campaign.space.derived)}
    return [
        {"@type": "PropertyValue", "name": name, "value": value, "unitText": units.get(name, "1")}
        for name, value in setting.items()
    ]
