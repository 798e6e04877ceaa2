"""The revisions make the tables that the classes declare, from nothing and from an older store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from loop.store.migrate import HEAD, MIGRATIONS, upgrade
from loop.store.projection import REBUILT
from loop.store.store import Store, StoreError, StoreMissing, StoreNewer, StoreOlder
from loop.store.tables import METADATA
from tests.loop import store_samples as samples


def migrated(path: Path, revision: str) -> None:
    """A new database, brought to a revision step by step."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with create_engine(f"sqlite:///{path}", poolclass=NullPool).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def schema(path: Path) -> dict[str, str]:
    """The statements that made the tables, blanks aside, columns in order."""
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    raw.close()
    return {name: "".join(sql.split()) for name, sql in found}


def test_head_is_the_last_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_revisions_make_what_a_new_store_has(tmp_path: Path) -> None:
    migrated(tmp_path / "steps.db", "head")
    Store.open(str(tmp_path / "new.db")).close()
    steps, new = schema(tmp_path / "steps.db"), schema(tmp_path / "new.db")
    assert steps.keys() == new.keys()
    for name in steps:
        assert sorted(steps[name]) == sorted(new[name]), name  # constraints in any order
    with create_engine(f"sqlite:///{tmp_path}/new.db", poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_store_of_the_first_revision(tmp_path: Path) -> None:
    old, reference = tmp_path / "old.db", tmp_path / "reference.db"
    with Store.open(str(reference)) as store:
        samples.fill(store)
        samples.create(store)
        events = store.events("sample-1")
        rows = {name: store._database.rows(f"SELECT * FROM {name}") for name in REBUILT}
    migrated(old, "0001")
    raw = sqlite3.connect(old)
    raw.execute("ATTACH ? AS reference", (str(reference),))
    for table in ("campaign", "artifact", "file", "event", "cycle", "curve", "lease"):
        raw.execute(f"INSERT INTO {table} SELECT * FROM reference.{table}")
    raw.execute("UPDATE campaign SET status = '', trials = 0")
    raw.commit()
    raw.close()

    with pytest.raises(StoreOlder, match="leyden store upgrade") as caught:
        Store.open(str(old))
    assert str(old) in str(caught.value)
    assert upgrade(str(old)) == ("0001", HEAD)
    assert upgrade(str(old)) == (HEAD, HEAD)
    with Store.open(str(old)) as store:
        assert store.check() == []
        assert store.events("sample-1") == events
        assert {name: store._database.rows(f"SELECT * FROM {name}") for name in REBUILT} == rows


def test_a_failed_upgrade_changes_nothing(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrated(old, "0001")
    raw = sqlite3.connect(old)
    raw.execute("CREATE TABLE prediction (in_the_way)")
    raw.commit()
    raw.close()
    before = schema(old)
    with pytest.raises(StoreError, match="prediction already exists"):
        upgrade(str(old))
    assert schema(old) == before
    with pytest.raises(StoreOlder):
        Store.open(str(old))


def test_upgrade_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    with pytest.raises(StoreMissing):
        upgrade(str(place))
    Store.open(str(place)).close()
    raw = sqlite3.connect(place)
    raw.execute("UPDATE alembic_version SET version_num = '0099'")
    raw.commit()
    raw.close()
    with pytest.raises(StoreNewer):
        upgrade(str(place))


def test_an_upgraded_store_is_declared_like_a_new_one(tmp_path: Path) -> None:
    migrated(tmp_path / "steps.db", "head")
    with Store.open(str(tmp_path / "steps.db"), create=False) as store:
        assert store.check() == []


def test_an_upgrade_seals_what_it_finds(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrated(old, "0007")
    raw = sqlite3.connect(old)
    raw.execute(
        "INSERT INTO work (id, key, instrument, request, lease_s, lost_after_s, on_lease_loss,"
        " repeatable, state, fence, posted_unix, progress, cycle, note, run_id)"
        " VALUES (1, 'a/1/1', 'coater', '{}', 10, 60, 'hold', 0, 'queued', 0, 1.5, 0, 0, '', '')"
    )
    raw.execute("INSERT INTO work_part VALUES (1, 1, '{\"a\": 1.5}')")
    raw.execute("INSERT INTO work_event VALUES (1, 1, '2026-01-01', 'posted', 0, NULL, '')")
    raw.commit()
    raw.close()
    assert upgrade(str(old)) == ("0007", HEAD)
    with Store.open(str(old)) as store:
        assert store.check() == []
        store._database.run("UPDATE work_part SET content = '{\"a\": 1.6}'", {})
        assert [damage.table for damage in store.check()] == ["work_part"]
