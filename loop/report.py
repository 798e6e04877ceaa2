"""The report of a campaign: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loop.reporting.page import html
from loop.reporting.record import read, truth_of

if TYPE_CHECKING:
    from loop.store.store import Store


def render(store: Store, campaign_id: str) -> tuple[str, str]:
    """The page and the head hash it tells of; the same journal gives the same page.

    Raises StoreError.
    """
    record = read(store, campaign_id)
    return html(record, truth_of(record)), record.state.head


def write(store: Store, campaign_id: str, path: Path) -> str:
    """Write the page to a file; returns the head hash. Raises StoreError, OSError."""
    page, head = render(store, campaign_id)
    path.write_text(page, encoding="utf-8", newline="\n")
    return head
