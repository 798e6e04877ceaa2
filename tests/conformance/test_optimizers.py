"""What every registered optimiser promises, tried on small campaigns of every kind of space."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.campaign import Campaign, parse
from campaigns.records import (
    Failure,
    FailureKind,
    Observation,
    Prediction,
    Proposal,
    Purpose,
    Setting,
    TrialState,
)
from loop.events import Body, Ended, Observed, Predicted, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.base import Exhausted, NothingToRecommend, Optimizer

SPACES = {
    "finite": """
[space.parameters]
E = { choices = [1.0, 2.0, 3.0, 4.0] }
beta = { choices = [0.1, 0.2, 0.4] }
[space]
exclude = ["E == 4.0 and beta == 0.4"]
""",
    "derived": """
[space.parameters]
cc1 = { low = 3.6, high = 8.0, unit = "1/h" }
cc2 = { low = 3.6, high = 7.0, unit = "1/h" }
[space.derived]
cc4 = { expression = "10 - cc1 - cc2", low = -4.0, high = 1.0, unit = "1/h" }
""",
    "mixed": """
[space.parameters]
rate = { low = 0.01, high = 10.0, scale = "log", unit = "1/h" }
layers = { low = 1, high = 5, integer = true }
salt = { choices = ["LiPF6", "LiFSI", "LiTFSI"] }
""",
    "composition": """
[space.parameters]
E = { low = 0.0, high = 1.0 }
beta = { low = 0.1, high = 0.9 }
gamma = { low = 0.0, high = 0.5 }
[[space.sums]]
of = ["E", "beta", "gamma"]
equals = 1.0
""",
    "constrained": """
[space.parameters]
a = { low = 0.0, high = 1.0 }
b = { low = -1.0, high = 1.0 }
[space]
constraints = ["a + 2*b <= 1", "a - b <= 1.2"]
""",
}
TOML = """
name = "conformance"
seed = 3
{space}
[[objectives]]
metric = "yield"
goal = "{goal}"
unit = "1"
[optimizer]
kind = "{kind}"
replicates = {replicates}
[recommend]
among = "{among}"
[instrument]
kind = "table"
channels = 4
[budget]
trials = 100
"""
KINDS = registry.known()
SLOW = {"bo"}  # about a second a call: fewer of the cases


def arranged(text: str) -> str:
    """A [space] table written behind its sub-tables, moved in front as TOML wants it."""
    head, sep, tail = text.partition("[space]\n")
    return sep + tail + head


@cache
def campaign(
    kind: str, space: str, goal: str = "maximize", replicates: int = 1, among: str = "tried"
) -> Campaign:
    return parse(
        TOML.format(
            space=arranged(SPACES[space]), goal=goal, kind=kind, replicates=replicates, among=among
        )
    )


@cache
def optimizer(kind: str) -> Optimizer:
    return registry.create(kind, {})


def value(campaign: Campaign, setting: Setting) -> float:
    """A smooth truth with a peak inside the cube."""
    x = campaign.space.encode([setting])[0]
    return 100.0 - 30.0 * float(((x - 0.6) ** 2).sum()) * campaign.objectives[0].sign


def add(history: History, *bodies: Body) -> None:
    for body in bodies:
        history.apply(history.seen + 1, body)


def proposed(history: History, proposals: list[Proposal]) -> range:
    """Enter the proposals as trials; their numbers."""
    first = history.next_number
    trials = tuple(
        ProposedTrial(dict(p.parameters), p.author, json.loads(json.dumps(dict(p.meta))))
        for p in proposals
    )
    add(history, Proposed(0.0, history.seen, len(trials), first, "x", Purpose.SEARCH, trials))
    return range(first, first + len(trials))


def ask(campaign: Campaign, history: History, n: int) -> list[Proposal]:
    rng = np.random.default_rng([campaign.seed, history.next_number])
    return optimizer(campaign.optimizer.kind).propose(campaign, history, n, rng)


def observed(campaign: Campaign, history: History, numbers: range) -> None:
    """Measure the trials: some with a stated sem, some without, some only predicted."""
    for number in numbers:
        mean = value(campaign, history.trial(number).parameters)
        if number % 3 == 0:
            prediction = Prediction("yield", mean, 2.0, "1", mean - 3, mean + 3, 0.9, 100, "m")
            add(history, Predicted(0.0, number, 1, prediction))
            add(history, Ended(0.0, number, 1, TrialState.PREDICTED, 1.0))
        else:
            sem = None if number % 3 == 1 else 1.0
            add(history, Observed(0.0, number, 1, Observation("yield", mean, sem, "1")))
            add(history, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))


def prepared(campaign: Campaign) -> History:
    """Three trials measured, one failed, two under way."""
    history = History(campaign.space.names)
    observed(campaign, history, proposed(history, ask(campaign, history, 3)))
    lost = proposed(history, ask(campaign, history, 1))[0]
    failure = Failure(FailureKind.OUT_OF_RANGE, "cannot be made", infeasible=True)
    add(history, Ended(0.0, lost, 1, TrialState.FAILED, 1.0, failure))
    proposed(history, ask(campaign, history, 2))
    return history


def plain(proposals: list[Proposal]) -> list[dict[str, Any]]:
    return [{"parameters": dict(p.parameters), "meta": dict(p.meta)} for p in proposals]


def check_settings(campaign: Campaign, history: History, proposals: list[Proposal]) -> None:
    """Feasible, complete, of the allowed number, and never known to be infeasible."""
    taken: Counter[tuple[Any, ...]] = Counter()
    for proposal in proposals:
        assert campaign.space.problems(proposal.parameters) == []
        assert {d.name for d in campaign.space.derived} <= set(proposal.parameters)
        assert not history.infeasible(proposal.parameters)
        assert proposal.author
        json.dumps(dict(proposal.meta), allow_nan=False)
        taken[campaign.space.key(proposal.parameters)] += 1
    asked = {campaign.space.key(p.parameters): history.asked(p.parameters) for p in proposals}
    assert all(asked[key] + n <= campaign.optimizer.replicates for key, n in taken.items())


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    try:
        registry.load(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"{name} needs {error.name}")
    return name


@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_batches_are_full_feasible_new_and_pure(kind: str, space: str, goal: str) -> None:
    if kind in SLOW and goal == "minimize" and space not in ("finite", "mixed"):
        pytest.skip(f"{kind} is slow; the case is met by maximize")
    case = campaign(kind, space, goal)
    history = prepared(case)
    proposals = ask(case, history, 4)
    assert len(proposals) == 4
    check_settings(case, history, proposals)
    ask(case, History(case.space.names), 2)  # another call in between changes nothing
    assert plain(ask(case, history, 4)) == plain(proposals)


def test_global_random_state_is_left_alone(kind: str) -> None:
    case = campaign(kind, "mixed")
    history = prepared(case)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002
    ask(case, history, 1)
    optimizer(kind).recommend(case, history)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index,union-attr]  # noqa: NPY002


@pytest.mark.parametrize("replicates", [1, 2])
def test_a_finite_space_runs_out(kind: str, replicates: int) -> None:
    case = campaign(kind, "finite", replicates=replicates)
    history = prepared(case)  # one of the 11 candidates is infeasible, others have been asked
    open_ = [s for s in case.space.candidates if not history.infeasible(s)]
    left = sum(replicates - history.asked(s) for s in open_)
    assert len(open_) == 10
    assert (left == 5) if replicates == 1 else (left >= 15)
    whole = ask(case, history, left)
    check_settings(case, history, whole)
    assert len(whole) == left
    with pytest.raises(Exhausted) as caught:
        ask(case, history, left + 3)
    assert len(caught.value.partial) == left
    assert caught.value.reason
    check_settings(case, history, list(caught.value.partial))
    proposed(history, whole)
    with pytest.raises(Exhausted) as empty:
        ask(case, history, 1)
    assert empty.value.partial == ()


def test_a_refused_setting_may_be_asked_for_again(kind: str) -> None:
    case = campaign(kind, "finite")
    history = History(case.space.names)
    for number in proposed(history, ask(case, history, 11)):
        add(history, Ended(0.0, number, 1, TrialState.REFUSED, 0.0))
    check_settings(case, history, ask(case, history, 11))


@pytest.mark.parametrize("among", ["tried", "space"])
@pytest.mark.parametrize("space", list(SPACES))
def test_recommendation_is_feasible_and_has_an_interval(kind: str, space: str, among: str) -> None:
    if kind in SLOW and among == "space" and space not in ("finite", "composition"):
        pytest.skip(f"{kind} is slow; the case is met by others")
    case = campaign(kind, space, among=among)
    history = prepared(case)
    best = optimizer(kind).recommend(case, history)
    assert case.space.problems(best.parameters) == []
    estimate = best.objectives["yield"]
    assert estimate.lower <= estimate.mean <= estimate.upper
    assert (estimate.level, estimate.unit) == (0.9, "1")
    tried = {case.space.key(t.parameters): t.number for t in history.trials.values() if t.outcomes}
    assert best.trial == tried.get(case.space.key(best.parameters))
    if among == "tried":
        assert best.trial is not None
    assert optimizer(kind).recommend(case, history) == best


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_goal_is_understood(kind: str, goal: str) -> None:
    case = campaign(kind, "finite", goal)
    history = History(case.space.names)
    for number in proposed(history, ask(case, history, 11)):
        mean = value(case, history.trial(number).parameters)
        add(history, Observed(0.0, number, 1, Observation("yield", mean, 0.01, "1")))
        add(history, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))
    best = optimizer(kind).recommend(case, history)
    sign = case.objectives[0].sign
    values = sorted(sign * value(case, s) for s in case.space.candidates)
    assert sign * value(case, best.parameters) == pytest.approx(values[-1])
    assert best.objectives["yield"].mean == pytest.approx(sign * values[-1], abs=1.0)


def test_nothing_is_recommended_without_an_outcome(kind: str) -> None:
    case = campaign(kind, "finite")
    history = History(case.space.names)
    proposed(history, ask(case, history, 2))
    with pytest.raises(NothingToRecommend):
        optimizer(kind).recommend(case, history)


def test_a_changed_seed_changes_no_promise(kind: str) -> None:
    case = replace(campaign(kind, "derived"), seed=99)
    history = History(case.space.names)
    check_settings(case, history, ask(case, history, 7))


def fingerprint(kind: str) -> str:
    """The exact bits of a proposal and a recommendation."""
    case = campaign(kind, "mixed")
    history = prepared(case)
    best = optimizer(kind).recommend(case, history)
    return json.dumps([plain(ask(case, history, 3)), dict(best.parameters), repr(best.objectives)])


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param([k for k in KINDS if k not in SLOW], id="quick"),
        pytest.param([k for k in KINDS if k in SLOW], id="slow", marks=pytest.mark.slow),
    ],
)
def test_a_fresh_process_gives_the_same_bits(kinds: list[str]) -> None:
    script = (
        "import importlib.util, json, sys\n"
        f"spec = importlib.util.spec_from_file_location('conformance', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        f"sys.stdout.write(json.dumps([module.fingerprint(kind) for kind in {kinds!r}]))\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [fingerprint(kind) for kind in kinds]
