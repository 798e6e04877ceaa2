"""A campaign goes out as a crate and comes back as it was; a crate that was touched is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3

import pytest

from campaigns.campaign import parse
from campaigns.records import Failure, FailureKind, Observation, Prediction, TrialState
from loop.cli import answer
from loop.events import Decided, Ended, Fitted, Observed, Predicted, Started, Submitting
from loop.exchange.crate import METADATA, export_crate
from loop.exchange.crate_reading import import_crate
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop import store_samples
from tests.loop.laboratory import CYCLER, hill, run
from tests.loop.store_samples import MODEL, MODEL_DIGEST, series

SKIPPED = {"lease", "ruling", "alembic_version"}  # who held it: no part of the campaign


def tables(path):
    """Every row of every table."""
    connection = sqlite3.connect(path)
    names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    found = {
        name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)
        for name in names
        if name not in SKIPPED
    }
    connection.close()
    return found


def cycled(store):
    """A campaign with curves of two attempts, a model, a prediction, a decision, a failure."""
    name = store_samples.create(store)
    store.append(name, [store_samples.proposed(1, 2)])
    fault = Failure(FailureKind.CHANNEL_FAULT, "the channel fell silent")
    for trial in (1, 2):
        begun = [Submitting(1.0, trial, 1, f"key-{trial}"), Started(1.0, trial, 1, "")]
        store.append(name, begun)
        for part in (series(1, 40, curves=40, seed=trial), series(41, 10, curves=3)):
            event = store_samples.measured(2.0, trial, 1, part)
            store.append(name, [event], series={0: part})
    learned = [
        Fitted(3.0, 10, "cycle_life", MODEL_DIGEST, (1,), "abc"),
        Predicted(3.0, 1, 1, Prediction("life", 8.5, 4.0, "1", 7.0, 9.0, 0.9, 20, MODEL_DIGEST)),
        Decided(3.0, 6, 1, 1, "never", "go_on", "it may be good", {"sd_ln": 0.1}),
        Observed(4.0, 1, 1, Observation("life", 800.25, 12.5, "1")),
        Ended(4.0, 1, 1, TrialState.COMPLETED, 95.5),
        Ended(5.0, 2, 1, TrialState.FAILED, 90.0, fault),
    ]
    store.append(name, learned, artifacts={MODEL_DIGEST: MODEL})
    return name


@pytest.fixture(scope="module")
def charging(tmp_path_factory):
    """A store with such a campaign, and its crate."""
    folder = tmp_path_factory.mktemp("crate")
    with Store.open(f"sqlite:///{folder}/one.db") as store:
        campaign_id = cycled(store)
        head, files = export_crate(store, campaign_id, folder / "crate")
    return folder, campaign_id, head, files


def test_the_round_trip_gives_every_table_as_it_was(charging, tmp_path):
    folder, campaign_id, head, _ = charging
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        assert import_crate(store, folder / "crate", head) == campaign_id
        assert store.head(campaign_id)[1] == head
        assert store.check() == []
    first, second = tables(folder / "one.db"), tables(tmp_path / "two.db")
    assert first.keys() == second.keys()
    for name, rows in first.items():
        assert rows == second[name], name
    for name in ("event", "artifact", "cycle", "curve", "trial", "attempt", "prediction", "model"):
        assert first[name], name


@pytest.mark.slow
def test_the_round_trip_of_a_simulated_campaign(tmp_path):
    """With cells that die early, a trained predictor, its model and its card."""
    campaign = parse(CYCLER.format(options=""), {}, {"budget.trials": 4})
    with Store.open(f"sqlite:///{tmp_path}/one.db") as store:
        campaign_id = run(store, campaign)
        head, _ = export_crate(store, campaign_id, tmp_path / "crate")
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        import_crate(store, tmp_path / "crate", head)
        assert verify(store, campaign_id, head=head).ok
    assert tables(tmp_path / "one.db") == tables(tmp_path / "two.db")
    assert list((tmp_path / "crate/tables/models").glob("*.md"))


def test_what_comes_back_verifies_and_goes_out_the_same(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/one.db") as store:
        campaign_id = run(store, hill("gp_ucb", budget="trials = 6"))
        export_crate(store, campaign_id, tmp_path / "a")
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        import_crate(store, tmp_path / "a")
        assert verify(store, campaign_id).ok
        export_crate(store, campaign_id, tmp_path / "b")
    for path in (tmp_path / "a").rglob("*"):
        place = path.relative_to(tmp_path / "a")
        if path.is_file() and place.parts[0] in ("store", "tables"):  # the report names its store
            assert path.read_bytes() == (tmp_path / "b" / place).read_bytes(), place


def test_the_crate_describes_itself(charging):
    folder, campaign_id, head, files = charging
    told = json.loads((folder / "crate" / METADATA).read_text())
    entities = {one["@id"]: one for one in told["@graph"]}
    root = entities["./"]
    assert entities[METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert (root["name"], root["identifier"]) == (campaign_id, head)
    there = {p.relative_to(folder / "crate").as_posix() for p in (folder / "crate").rglob("*")
             if p.is_file()}  # fmt: skip
    assert there == {one["@id"] for one in root["hasPart"]} | {METADATA}
    assert files == len(there)
    assert {"report.html", "environment.json", "tables/trials.csv", "tables/datapackage.json",
            "store/campaign.toml", "store/journal.jsonl"} <= there  # fmt: skip
    references = [one["@id"] for one in told["@graph"]]
    assert len(references) == len(set(references))
    tests = [one for one in told["@graph"] if "BatteryTest" in one["@type"]]
    for one in tests:
        assert entities[one["object"]["@id"]]["@type"] == ["Product", "BatteryCell"]
        assert {part["@id"] for part in one["result"]} <= there
        assert {p["name"] for p in one["additionalProperty"]} == {"x"}
    assert len(tests) == 2
    assert "68ed592a" in told["@context"][1]["BatteryCell"]


@pytest.fixture
def crate(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/one.db") as store:
        export_crate(store, run(store, hill(budget="trials = 4")), tmp_path / "crate")
    return tmp_path / "crate"


def sealed(crate):
    """A forger would make the checksums of the files anew."""
    told = json.loads((crate / METADATA).read_text())
    for one in told["@graph"]:
        if one["@type"] == "File":
            one["sha256"] = hashlib.sha256((crate / one["@id"]).read_bytes()).hexdigest()
    (crate / METADATA).write_text(json.dumps(told))


def changed(name, old, new):
    def change(crate):
        path = crate / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return change


def cut(crate):
    path = crate / "store/journal.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def without_content(crate):
    told = json.loads((crate / METADATA).read_text())
    digest = json.loads((crate / "store/campaign.json").read_text())["files"]["hill.csv"]
    told["@graph"] = [one for one in told["@graph"] if not one["@id"].endswith(digest)]
    (crate / METADATA).write_text(json.dumps(told))
    (crate / "store/contents" / digest).unlink()


TAMPERINGS = {
    "a changed value": (changed("store/journal.jsonl", 'mean\\":', 'mean\\":1'), "altered"),
    "a changed campaign": (changed("store/campaign.toml", "seed = 11", "seed = 12"), "digest"),
    "a cut journal": (cut, "is not the journal"),
    "a line that is none": (changed("store/journal.jsonl", '"seq": 3', '"seq": "3"'), "line 3"),
    "another id": (changed("store/campaign.json", '"hill-1"', '"hill-7"'), "hill-7"),
    "another format": (changed("store/campaign.json", '"format": 1', '"format": 2'), "format 2"),
    "a content that is gone": (without_content, "is missing"),
    "an altered file": (changed("store/campaign.json", '"files"', '"filed"'), "file"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_crate_is_refused(crate, tmp_path, tampering):
    tamper, _ = TAMPERINGS[tampering]
    tamper(crate)
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        with pytest.raises(ValueError, match=r"altered|missing|not the journal|format|cannot"):
            import_crate(store, crate)
        assert store.campaigns() == []


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_also_with_new_checksums(crate, tmp_path, tampering):
    tamper, word = TAMPERINGS[tampering]
    tamper(crate)
    sealed(crate)
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        with pytest.raises(ValueError, match=word) as told:
            import_crate(store, crate)
        assert "\n" not in str(told.value)
        assert store.campaigns() == []
        assert store.check() == []


def test_a_path_out_of_the_crate_is_refused(crate, tmp_path):
    changed(METADATA, '"@id": "report.html",\n      "@type": "File"',
            '"@id": "../one.db",\n      "@type": "File"')(crate)  # fmt: skip
    with Store.open("sqlite://") as store, pytest.raises(ValueError, match="out of the crate"):
        import_crate(store, crate)


def test_the_commands(crate, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///one.db") as store:
        head = store.head("hill-1")[1]
    assert answer(["export", "hill-1", "--store", "one.db", "--crate", "-o", "c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["head"] == head
    assert answer(["export", "hill-1", "--store", "one.db", "--crate", "-o", "c"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert answer(["import", "crate", "c", "--head", "0" * 64, "--store", "two.db"]) == 2
    assert "the journal ends with" in capsys.readouterr().err
    assert answer(["import", "crate", "c", "--head", head, "--store", "two.db", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"campaign": "hill-1"}
    assert answer(["import", "crate", "c", "--store", "two.db"]) == 2
    assert "in the store already (the same journal)" in capsys.readouterr().err
    assert answer(["import", "crate", "nowhere", "--store", "two.db"]) == 2
    shutil.rmtree("c/store")
    assert answer(["import", "crate", "c", "--store", "three.db"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_an_imported_campaign_of_ours_goes_on(crate, tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        campaign_id = import_crate(store, crate)
        from loop.launch import engine

        with engine(store, campaign_id, changes={"budget.trials": 6}) as running:
            running.run()
        assert len(restore(store, campaign_id).history.trials) == 6
        assert verify(store, campaign_id).ok


def test_a_campaign_without_files_and_trials_comes_back(tmp_path):
    """Its folder of contents is empty, and empty folders get lost on the way."""
    from loop.launch import create

    with Store.open(f"sqlite:///{tmp_path}/one.db") as store:
        campaign_id = create(store, parse(CYCLER.format(options="")))
        export_crate(store, campaign_id, tmp_path / "crate")
    (tmp_path / "crate/store/contents").rmdir()
    with Store.open(f"sqlite:///{tmp_path}/two.db") as store:
        import_crate(store, tmp_path / "crate")
    assert tables(tmp_path / "one.db") == tables(tmp_path / "two.db")
