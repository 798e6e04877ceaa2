"""What all tables of a store are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

CLUSTERED = {"sqlite_with_rowid": False}  # one b-tree, in the order of the key


class StoreTable(SQLModel, registry=registry()):
    """A table of the store; the registry is its own, so that no other package's tables get in."""


def sealed() -> Any:
    """The column that holds the digest of a row which no journal tells of; see `seals.py`."""
    return Field(sa_type=Text, sa_column_kwargs={"server_default": ""})
