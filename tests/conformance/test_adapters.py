"""The suite catches bad adapters, each by the right check, and lets a good one pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.campaign import parse
from instruments.clock import RealClock
from instruments.conformance import suite
from instruments.conformance.target import adapter_of, bench_of
from instruments.conformance.verdict import Outcome
from instruments.conformance.workbench import Workbench, named
from instruments.units import UnitError
from loop.admission import Exchange

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "docs" / "examples"
CHECKS = {named(check): check for check in suite.CHECKS}

SABOTAGE = [
    ("ChecksNothing", "below_the_limit_is_refused", "check accepts"),
    ("ChecksNothing", "unknown_setting_is_refused", "check accepts"),
    ("ChecksNothing", "wrong_type_is_refused", "check accepts"),
    ("ForgivesALittle", "above_the_limit_is_refused", "check accepts"),
    ("ComparesOnly", "not_a_finite_number_is_refused", "nan"),
    ("ChecksAfterAsking", "refusal_needs_no_device", "Refused is needed"),
    ("FillsInTheLastSpeed", "missing_setting_is_refused", "check accepts"),
    ("RunsADuplicateTwice", "second_submit_changes_nothing", ""),
    ("TakesAnotherJobForTheSame", "same_key_with_another_setting_is_refused", "Refused"),
    ("NewReceiptEachTime", "second_submit_changes_nothing", "another receipt"),
    ("NeverBusy", "full_channels_are_busy", "Busy is needed"),
    ("BlocksUntilTheEnd", "job_is_seen_running", "finished"),
    ("AbortThatLies", "abort_is_read_back", "still works on the job"),
    ("AbortThatDoesNothing", "abort_is_read_back", "changed nothing: the job ran to its end"),
    ("AbortThatDoesNothing", "abort_ends_the_hours", "the job ran to its end"),
    ("AbortThatDoesNothing", "abort_twice_is_harmless", "the job ran to its end"),
    ("AbortAtTheEnd", "abort_is_read_back", "abort changed nothing: the job was over after"),
    ("AbortForgetsTheResult", "abort_of_a_finished_job_changes_nothing", "aborted"),
    ("NeverUnlessMine", "new_engine_answers_for_old_jobs", "says never"),
    ("NeverUnlessMine", "engine_killed_mid_run", "says never"),
    ("BelievesAShortMemory", "device_that_forgot_is_not_believed", "says never"),
    ("SaysNeverWhenSilent", "cut_connection_is_unreachable", "says never"),
    ("WaitsForEver", "hanging_device_is_unreachable", "has not come back"),
    ("SendsThroughAnOutbox", "late_delivery_is_not_never", "find said never"),
    ("NotANumber", "job_is_measured_to_the_end", "nan"),
    ("AnotherUnit", "job_is_measured_to_the_end", "cannot be converted"),
    ("NeverTheSameTwice", "second_fetch_is_identical", "differs"),
    ("MakesNumbersUp", "garbage_is_no_answer", "made up"),
    ("LeaksItsErrors", "garbage_is_no_answer", "may leave an adapter"),
    ("GoesBackwards", "progress_only_grows", "after"),
    ("AsksInThePast", "progress_only_grows", "to be asked again"),
    ("SwallowsOptions", "unknown_option_is_refused", "was accepted"),
    ("UnitOfItsOwn", "card_is_complete", "'heap' is not a unit"),
    ("SimulatedByCard", "card_is_consistent", "simulated"),
    ("SaysItStops", "silent_engine_is_handled_as_the_card_says", "the card says stop"),
    ("WrongAnswer", "find_tells_running_from_finished", "Found is needed"),
]


@pytest.fixture
def benched(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.syspath_prepend(HERE)
    made = []

    def making(name: str) -> Workbench:
        adapter = adapter_of(f"bad_adapters:{name}")
        made.append(Workbench(adapter, bench_of(adapter)))
        return made[-1]

    yield making
    for workbench in made:
        workbench.close()


@pytest.mark.parametrize(("name", "check", "reason"), SABOTAGE)
def test_a_bad_adapter_fails_the_right_check(benched, name, check, reason):
    verdict = benched(name).verdict(CHECKS[check])
    assert verdict.outcome is Outcome.FAILED, verdict
    assert reason in verdict.reason


def test_an_adapter_that_knows_how_late_its_jobs_arrive_passes(benched):
    verdict = benched("KnowsItsOutbox").verdict(CHECKS["late_delivery_is_not_never"])
    assert verdict.outcome is Outcome.PASSED, verdict


def test_a_campaign_in_other_units_reaches_the_adapter_in_its_own(benched):
    adapter = benched("Good").adapter
    card = adapter.open({"folder": "."}, RealClock()).describe()
    exchange = Exchange.between(parse(CAMPAIGN, FILES, {}), card)
    assert exchange.parameters({"gap": 0.2, "speed": 10.0}) == pytest.approx(
        {"gap": 200.0, "speed": 0.6}
    )
    with pytest.raises(UnitError, match=r"gap: 's' cannot be converted to 'um'"):
        Exchange.between(parse(CAMPAIGN.replace('"mm"', '"s"'), FILES, {}), card)


FILES = {"t.csv": b"gap,speed,loading\n0.1,5,1\n"}
CAMPAIGN = """\
name = "coat"
[space.parameters]
gap = { low = 0.1, high = 0.4, unit = "mm" }
speed = { low = 5.0, high = 20.0, unit = "mm/s" }
[[objectives]]
metric = "loading"
unit = "g/m^2"
[optimizer]
kind = "random"
[instrument]
kind = "table"
[instrument.options]
file = "t.csv"
parameters = { gap = "gap", speed = "speed" }
metrics = { loading = { column = "loading", unit = "g/m^2" } }
[budget]
trials = 3
"""


@pytest.mark.slow
def test_the_checks_that_catch_them_let_the_good_one_pass(benched):
    workbench = benched("Good")
    for check in dict.fromkeys(check for name, check, _ in SABOTAGE if "Outbox" not in name):
        verdict = workbench.verdict(CHECKS[check])
        assert verdict.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE), verdict
