"""Repeats of winners: they end, and the best of the repeated ones stays."""

from __future__ import annotations

import pytest
from scipy.stats import t

from campaigns.records import Observation, Purpose, TrialState
from loop.confirming import MOST_WINNERS, best_repeated, winners
from loop.events import Ended, Excluded, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import hill, run

CAMPAIGN = hill(overrides={"recommend.confirm": 2})


def repeated(*values: list[float], done: bool = True) -> History:
    """A history with one winner a list, repeated as often as it has values."""
    history = History(CAMPAIGN.space.names)

    def add(body):
        history.apply(history.seen + 1, body)

    for a, found in enumerate(values):
        first = history.next_number
        trials = tuple(ProposedTrial({"a": a, "b": 2}, "confirm") for _ in found)
        add(Proposed(0.0, 0, len(trials), first, "confirm", Purpose.CONFIRM, trials))
        for offset, value in enumerate(found):
            add(Observed(0.0, first + offset, 1, Observation("value", value, 2.0, "1")))
            if done or a + 1 < len(values):
                add(Ended(0.0, first + offset, 1, TrialState.COMPLETED, 1.0))
    return history


FIVE = ([90.0, 92.0], [95.0, 97.0], [99.0, 91.0], [80.0, 81.0], [94.0, 96.0])


def test_five_winners_are_enough_and_the_best_mean_stays():
    history = repeated(*FIVE)
    assert len(winners(history)) == MOST_WINNERS == 5
    best = best_repeated(CAMPAIGN, history)
    assert dict(best.parameters) == {"a": 1, "b": 2}
    estimate = best.objectives["value"]
    assert estimate.mean == 96.0
    assert estimate.upper - 96.0 == pytest.approx(t.ppf(0.95, 1) * 1.0)  # sd root 2, of 2 repeats
    assert best.trial == 4


def test_before_that_the_optimizer_has_the_say():
    assert best_repeated(CAMPAIGN, repeated(*FIVE[:4])) is None
    assert best_repeated(CAMPAIGN, repeated(*FIVE, done=False)) is None


def test_excluded_repeats_say_nothing():
    history = repeated(*FIVE)
    for trial in (3, 4):
        history.apply(history.seen + 1, Excluded(0.0, trial, True, "spoiled"))
    assert dict(best_repeated(CAMPAIGN, history).parameters) == {"a": 2, "b": 2}


def test_a_campaign_ends_with_a_repeated_winner():
    """The luckiest of 30 noisy values is hardly ever the best again: winners change."""
    campaign = hill(
        "random",
        budget="trials = 30",
        overrides={"recommend.confirm": 2, "instrument.options.metrics.value.noise_sd": 30.0},
    )
    with Store.open("sqlite://") as store:
        campaign_id = run(store, campaign)
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
    found = winners(state.history)
    assert len(found) <= MOST_WINNERS
    assert state.history.key(state.recommendation.parameters) in found
