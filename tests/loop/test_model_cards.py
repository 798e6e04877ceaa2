"""The model card of an early predictor: stored with the campaign, checked, shown, exported."""

from __future__ import annotations

import json

import pytest

from loop.cli import answer
from loop.events import Fitted, Predicted, decode
from loop.model_cards import stored
from loop.replay import verify
from loop.report import render
from loop.store.store import Store
from surrogates.cycle_life import CycleLifeModel
from surrogates.predictor_file import from_bytes
from tests.loop.laboratory import charging, run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store with one charging campaign: its URL and the campaign's id."""
    url = f"sqlite:///{tmp_path_factory.mktemp('cards') / 'lab.db'}"
    with Store.open(url) as store:
        return url, run(store, charging())


@pytest.fixture
def store(kept):
    with Store.open(kept[0]) as opened:
        yield opened


def _fitted(store, campaign_id):
    return next(e.body for e in store.events(campaign_id) if isinstance(e.body, Fitted))


def test_the_campaign_holds_the_card_of_its_predictor(kept, store):
    body = _fitted(store, kept[1])
    ((model, card),) = stored(store, store.events(kept[1]))
    fitted = CycleLifeModel.from_json(store.artifact(model).decode())
    assert (body.model, body.card) == (model, card.digest)
    assert card.data.exact == len(body.trials)
    assert sorted(card.data.fingerprints) == sorted(map(str, body.trials))
    assert card.fits[0].log_sd == fitted.cross_validated_log_sd
    assert store.check() == []
    assert verify(store, kept[1]).ok


def test_the_same_campaign_gives_the_same_card(kept, store):
    other = run(store, charging())
    assert _fitted(store, other).card == _fitted(store, kept[1]).card


def test_journals_from_before_have_no_card():
    body = decode(
        "fitted",
        '{"time":1.0,"seen":3,"surrogate":"cycle_life","model":"ab","trials":[1],"source":""}',
    )
    assert body.card == ""


def test_a_card_that_was_changed_is_damage(tmp_path):
    import sqlite3

    with Store.open(f"sqlite:///{tmp_path / 'lab.db'}") as store:
        campaign_id = run(store, charging())
        card = _fitted(store, campaign_id).card
    with sqlite3.connect(tmp_path / "lab.db") as raw:
        raw.execute("PRAGMA ignore_check_constraints = 1")
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE artifact SET content = x'7b7d' WHERE digest = ?", (card,))
    raw.close()
    with Store.open(f"sqlite:///{tmp_path / 'lab.db'}") as store:
        (first, *_) = store.check(campaign_id)
        assert "digest" in first.what


def test_show_report_and_export_tell_the_card(kept, store, tmp_path, capsys):
    url, campaign_id = kept
    model = _fitted(store, campaign_id).model
    assert answer(("show", campaign_id, "--store", url, "--json")) == 0
    told = json.loads(capsys.readouterr().out)["predictor"]
    assert (told["model"], told["training_cells"]) == (model, 10)
    assert answer(("show", campaign_id, "--store", url)) == 0
    assert "cross-validated error" in capsys.readouterr().out
    page, _ = render(store, campaign_id)
    assert "Model card" in page
    assert "log_var_dq" in page
    assert answer(("export", campaign_id, "--store", url, "-o", str(tmp_path))) == 0
    assert (tmp_path / "models" / f"{model}.json").read_bytes() == store.artifact(model)
    assert "10 training cells" in (tmp_path / "models" / f"{model}.md").read_text()
    again = from_bytes((tmp_path / "models" / f"{model}.predictor.json").read_bytes())
    assert again.model.digest == model


def test_the_exported_predictor_says_of_each_trial_what_the_journal_says(
    kept, store, tmp_path, capsys
):
    url, campaign_id = kept
    assert answer(("export", campaign_id, "--store", url, "-o", str(tmp_path))) == 0
    (file,) = (tmp_path / "models").glob("*.predictor.json")
    capsys.readouterr()
    words = ("predict", "apply", str(file), "--campaign", campaign_id, "--store", url, "--json")
    assert answer(words) == 0
    told = {one["cell"]: one for one in json.loads(capsys.readouterr().out)["predictions"]}
    recorded = [e.body for e in store.events(campaign_id) if isinstance(e.body, Predicted)]
    assert recorded
    for body in recorded:
        one = told[f"{campaign_id}/{body.trial}"]
        assert (one["predicted"], one["lower"]) == (body.prediction.mean, body.prediction.lower)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "either --data FOLDER or --campaign ID"),
        (("--campaign", "none-1"), "none-1"),
        (("--campaign", "none-1", "--data", "."), "either --data FOLDER or --campaign ID"),
        (("--campaign", "none-1", "--splits", "a"), "a campaign has none"),
    ],
)
def test_wrong_sources_are_one_clear_line(words, told, kept, store, tmp_path, capsys):
    url, campaign_id = kept
    assert answer(("export", campaign_id, "--store", url, "-o", str(tmp_path))) == 0
    (file,) = (tmp_path / "models").glob("*.predictor.json")
    capsys.readouterr()
    assert answer(("predict", "apply", str(file), "--store", url, *words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
