"""The report: one page that loads nothing, trusts no name, and tells what the journal says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from campaigns.campaign import Campaign, parse
from campaigns.records import (
    Bound,
    Estimate,
    Failure,
    FailureKind,
    Observation,
    Prediction,
    Purpose,
    Recommendation,
    TrialState,
    Value,
)
from loop.commands.console import page as terminal_page
from loop.commands.sheet import whole
from loop.events import (
    AttemptFailed,
    Body,
    Created,
    Ended,
    Observed,
    Predicted,
    Proposed,
    ProposedTrial,
    Recommended,
    Started,
    Submitting,
)
from loop.report import render, write
from loop.reporting.learning import best_so_far, regret
from loop.reporting.outcomes import check
from loop.reporting.record import read, truth_of
from loop.restoring import restore
from loop.store.store import Store
from loop.summary import failures, number, standings, summary
from tests.loop.laboratory import hill, run

HOSTILE = "<script>alert(1)</script> $x^{ & \" onload='x'"
OPTIONS = ("a<b>bold</b>", "b & $c_{", "c'\"")
TEXT = f"""\
name = "hostile"
description = {json.dumps(HOSTILE)}
seed = 1

[space.parameters]
material = {{ choices = {json.dumps(OPTIONS)} }}
temperature_degC = {{ low = 10.0, high = 60.0, unit = "degC" }}

[[objectives]]
metric = "cycle_life"
goal = "maximize"

[optimizer]
kind = "random"

[instrument]
kind = "table"
channels = 2
[instrument.options]
file = "none.csv"

[budget]
trials = 100
"""
LOADS = {"src", "href", "srcset", "action", "formaction", "poster", "data", "background"}


class Page(HTMLParser):
    """Tags and attributes of a page; the nesting is checked on the way."""

    VOID = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hours(n: float) -> float:
    return n * 3600.0


def attempt(number: int, start: float, tried: int = 1) -> list[Body]:
    key = f"hostile-1/{number}/{tried}"
    return [Submitting(hours(start), number, tried, key), Started(hours(start), number, tried, "")]


def predicted(mean: float, lower: float, upper: float) -> Prediction:
    return Prediction("cycle_life", mean, 30.0, "1", lower, upper, 0.9, 100, "model")


def journal() -> list[Body]:
    """Six trials: predicted, run on, censored, failed twice, predicted, under way."""
    trials = tuple(
        ProposedTrial({"material": OPTIONS[i % 3], "temperature_degC": 20.0 + 5 * i}, HOSTILE, {})
        for i in range(6)
    )
    life = Observation("cycle_life", 850.0, 5.0, "1")
    fault = Failure(FailureKind.CHANNEL_FAULT, HOSTILE)
    best = Estimate(870.0, 800.0, 940.0, 0.9, "1")
    told = Recommendation(trials[1].parameters, {"cycle_life": best}, trial=2)
    return [
        Proposed(0.0, 1, 6, 1, "random", Purpose.SEARCH, trials),
        *attempt(1, 0), *attempt(2, 0),
        Predicted(hours(96), 1, 1, predicted(900.0, 820.0, 980.0)),
        Ended(hours(96), 1, 1, TrialState.PREDICTED, 96.0),
        Predicted(hours(96), 2, 1, predicted(860.0, 800.0, 920.0)),
        *attempt(3, 96),
        Observed(hours(800), 2, 1, life),
        Ended(hours(800), 2, 1, TrialState.COMPLETED, 800.0),
        Observed(hours(400), 3, 1, Observation("cycle_life", 300.0, None, "1", Bound.AT_LEAST)),
        Ended(hours(400), 3, 1, TrialState.FAILED, 304.0, Failure(FailureKind.EARLY_DEATH, "dead")),
        *attempt(4, 400),
        AttemptFailed(hours(410), 4, 1, 10.0, fault),
        *attempt(4, 410, 2),
        Ended(hours(420), 4, 2, TrialState.FAILED, 10.0, fault),
        *attempt(5, 800),
        Predicted(hours(896), 5, 1, predicted(700.0, 640.0, 760.0)),
        Ended(hours(896), 5, 1, TrialState.PREDICTED, 96.0),
        *attempt(6, 896),
        Recommended(hours(900), 20, "random", told),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def hostile():
    """A store with one campaign whose every text is hostile."""
    with Store.open("sqlite://") as store:
        files = {"none.csv": b""}
        campaign = parse(TEXT, files)
        epoch = datetime(2000, 1, 1, tzinfo=UTC).isoformat()
        environment = {"python": "3.11", "host": HOSTILE}
        created = Created("hostile", campaign.digest, 1, epoch, environment)
        campaign_id = store.create("hostile", campaign.text, campaign.files or files, created)
        lease = store.acquire(campaign_id)
        store.append(campaign_id, journal(), fence=lease.fence)
        yield store, campaign_id
        store.release(lease)


@pytest.fixture(scope="module")
def page(hostile) -> str:
    """The page of the hostile campaign."""
    return render(*hostile)[0]


def test_the_page_parses_loads_nothing_and_runs_our_script_alone(page: str) -> None:
    text, parsed = page, Page(page)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    for tag, attributes in parsed.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert not any(name.startswith("on") for name in attributes)
        for name in LOADS & set(attributes):
            assert (attributes[name] or "").startswith(("#", "data:"))
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    (policy,) = [a["content"] for t, a in parsed.tags if t == "meta" and "http-equiv" in a]
    script = text[text.index("<script>") + 8 : text.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"'sha256-{digest}'" in policy
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_names_are_shown_as_they_are_and_never_obeyed(page: str) -> None:
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    shown = "".join(Page(page).text)
    assert HOSTILE in shown
    for option in OPTIONS:
        assert option in shown


def test_the_page_tells_what_the_journal_says(hostile, page: str) -> None:
    store, campaign_id = hostile
    _, head = store.head(campaign_id)
    shown = re.sub(r"\s+", " ", " ".join(Page(page).text))
    assert head in shown
    assert "not finished" in shown
    assert "90 % interval 800 to 940" in shown
    assert "≥ 300" in shown
    assert "battery-hours" not in shown
    assert "900 [820, 980]" in shown
    assert "retry up to 2 times" in shown
    assert f"leyden replay {campaign_id} --verify --head {head}" in shown


def test_the_record_pairs_predictions_with_measurements(hostile) -> None:
    record = read(*hostile)
    found = check(record)
    assert found is not None
    assert (found.n, found.within) == (1, 1)
    assert found.bias == pytest.approx(10.0)
    assert found.rmse == pytest.approx(10.0)
    assert record.lines[4].hours == 20.0
    assert len(record.lines[4].failures) == 2
    channels = {run.trial: run.channel for run in record.runs}
    assert set(channels.values()) == {0, 1}
    for one in record.runs:
        for other in record.runs:
            if one is not other and one.channel == other.channel:
                assert one.end <= other.start or other.end <= one.start


def test_the_same_journal_gives_the_same_page(hostile, page: str, tmp_path) -> None:
    write(*hostile, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_a_finished_campaign_of_a_known_table() -> None:
    with Store.open("sqlite://") as store:
        campaign_id = run(store, hill("gp_ucb", budget="trials = 18"))
        text, _ = render(store, campaign_id)
    shown = re.sub(r"\s+", " ", " ".join(Page(text).text))
    for heading in ("Best so far", "Regret", "Where it looked", "Channels", "Every trial"):
        assert heading in shown
    assert "true value" in shown
    assert text.count('<svg class="plot"') == 6
    assert len(text) < 500_000


def test_hours_are_those_held_when_an_outcome_came(hostile) -> None:
    moments = read(*hostile).moments
    first = next(one for one in moments if one.best is not None)
    assert (first.best, first.hours) == (900.0, 96.0 + 96.0)  # two cells ran side by side
    used = [one.hours for one in moments]
    assert used == sorted(used)
    assert used[-1] == 96 + 800 + 304 + 20 + 96 + 4  # the last cell has run for four hours


def test_retried_attempts_are_counted_apart(hostile, page: str, capsys) -> None:
    tally = read(*hostile).tally
    assert dict(tally.retried) == {FailureKind.CHANNEL_FAULT: 1}
    assert tally.amended == ""
    assert "1 retried" in page
    store, campaign_id = hostile
    state = restore(store, campaign_id)
    capsys.readouterr()
    terminal_page(*whole(summary(campaign_id, state, store.url), state, tally, ""))
    assert re.search(r"channel_fault +1 +1 retried", capsys.readouterr().out)


def test_one_checkpoint_is_seen() -> None:
    with Store.open("sqlite://") as store:
        campaign_id = run(store, hill("gp_ucb", budget="trials = 3"))
        record = read(store, campaign_id)
        told = [one for one in record.moments if one.recommendation is not None]
        drawings = [plot(record, truth_of(record)) for plot in (best_so_far, regret)]
    assert len(told) == 1
    for drawing in drawings:
        assert "<use " in drawing  # marks, not lines alone


def trade() -> Campaign:
    """A table with two objectives that pull apart and a bound on a third metric."""
    rows = "".join(f"{x},{10 * x},{50 - x * x},{x / 10}\n" for x in range(1, 7))
    text = """\
name = "trade"
seed = 2
[space.parameters]
x = { choices = [1, 2, 3, 4, 5, 6] }
[[objectives]]
metric = "up"
goal = "maximize"
unit = "mm"
[[objectives]]
metric = "down"
goal = "maximize"
[[constraints]]
metric = "wear"
at_most = 0.55
[optimizer]
kind = "random"
[instrument]
kind = "table"
channels = 2
[instrument.options]
file = "trade.csv"
parameters = { x = "x" }
metrics.up = { column = "up", unit = "mm" }
metrics.down.column = "down"
metrics.wear.column = "wear"
hours = 1
[budget]
trials = 6
"""
    return parse(text, {"trade.csv": ("x,up,down,wear\n" + rows).encode()})


def test_trade_offs_of_several_objectives() -> None:
    def estimate(mean: float, unit: str) -> Estimate:
        return Estimate(mean, mean - 1.0, mean + 1.0, 0.9, unit)

    def point(x: int) -> tuple[dict[str, Value], dict[str, Estimate]]:
        return {"x": x}, {"down": estimate(50.0 - x * x, "1"), "up": estimate(10.0 * x, "mm")}

    front = tuple(point(x) for x in (2, 3, 5))
    found = [
        Observed(0.0, x, 0, Observation(metric, value, None, unit))
        for x in range(1, 7)
        for metric, value, unit in (
            ("up", 10.0 * x, "mm"), ("down", 50.0 - x * x, "1"), ("wear", x / 10, "1"),
        )
    ]  # fmt: skip
    trials = tuple(ProposedTrial({"x": x}, "random") for x in range(1, 7))
    campaign = trade()
    with Store.open("sqlite://") as store:
        epoch = datetime(2000, 1, 1, tzinfo=UTC).isoformat()
        created = Created("trade", campaign.digest, 2, epoch, {})
        campaign_id = store.create("trade", campaign.text, campaign.files, created)
        recommended = Recommendation(*point(3), front=front, trial=3)
        bodies = [
            Proposed(0.0, 1, 6, 1, "random", Purpose.SEARCH, trials), *found,
            *(Ended(0.0, x, 0, TrialState.COMPLETED, 0.0) for x in range(1, 7)),
            Recommended(0.0, 20, "bo", recommended),
        ]  # fmt: skip
        store.append(campaign_id, bodies)
        text, _ = render(store, campaign_id)
        state = restore(store, campaign_id)
        told = summary(campaign_id, state, store.url)["recommendation"]
    shown = re.sub(r"\s+", " ", " ".join(Page(text).text))
    assert "The front: 3 settings, 90 % intervals" in shown
    assert "30 [29, 31]" in shown
    assert "41 [40, 42]" in shown
    assert 'aria-label="Trade-offs' in text
    assert "wear 0.3, mean of 1 trial (as wanted: at most 0.55)" in shown
    assert list(told["objectives"]) == ["up", "down"]
    assert told["constraints"] == {"wear": {"mean": 0.3, "unit": "1", "trials": 1, "met": True}}


def test_a_campaign_before_its_first_trial() -> None:
    with Store.open("sqlite://") as store:
        created = Created("hill", "", 1, datetime(2000, 1, 1, tzinfo=UTC).isoformat(), {})
        campaign = hill()
        campaign_id = store.create("hill", campaign.text, campaign.files, created)
        text, _ = render(store, campaign_id)
    assert "No recommendation" in "".join(Page(text).text)


def test_summary_standings_and_failures(hostile) -> None:
    store, campaign_id = hostile
    state = restore(store, campaign_id)
    told = summary(campaign_id, state, store.url)
    assert told["trials"]["total"] == 6
    assert {k: v for k, v in told["trials"].items() if v and k != "total"} == {
        "predicted": 2, "completed": 1, "failed": 2, "running": 1,
    }  # fmt: skip
    assert told["recommendation"]["parameters"]["material"] == OPTIONS[1]
    assert told["cost"]["instrument_hours"] == 96 + 800 + 304 + 20 + 96
    assert told["cost"]["wall_seconds"] is None
    assert [one.mean for one in standings(state)] == [900.0, 850.0, 700.0]
    assert list(failures(state)) == ["channel_fault", "early_death"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (12.345678, "12.35"), (1234.5, "1,234"), (1e6, "1,000,000"),
        (1.5e-7, "1.500e-07"), (float("nan"), "–"), (None, "–"), (-2000.0, "-2,000"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    assert number(value) == text
