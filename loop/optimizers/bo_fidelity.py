"""Bayesian optimisation where cheaper instruments stand in: what to try next, and on which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from campaigns.records import Proposal
from loop.optimizers.base import Exhausted, NothingToRecommend
from loop.optimizers.bo_data import Array, encoded, outcomes_known
from loop.optimizers.bo_openings import Openings, listing

if TYPE_CHECKING:
    from campaigns.campaign import Campaign
    from campaigns.records import Recommendation, Setting, Trial
    from loop.history import History
    from loop.optimizers.bo import BayesianOptimizer
    from loop.optimizers.bo_model import Acquisition
    from loop.optimizers.bo_sources import SourceModel

# Settings that the instrument itself measures before the model is trusted, a share of the
# parameters: enough to see how far the stand-ins are off, and no more.
OWN_SHARE, FEWEST_OWN = 0.5, 3

Desks = Mapping[str, Openings]  # what is left to ask, by fidelity; "" is the instrument


def propose(
    options: BayesianOptimizer,
    campaign: Campaign,
    history: History,
    n: int,
    rng: np.random.Generator,
) -> list[Proposal]:
    """Exactly n settings, each with what is to measure it; see `Optimizer.propose`.

    Every stand-in first measures `initial` space-filling settings, and the instrument some of the
    same. From then on the setting is chosen by what the instrument is expected to gain there, and
    measured by whatever explains most of what is not known of it per cost. Stand-ins together never
    cost more than the instrument: however the two should be shared out, half each is at most a
    factor of two away.
    """
    desks = {name: Openings(campaign, history, name) for name in _sources(campaign)}
    proposals = list(_spread(options, desks, n, rng))
    if len(proposals) < n and _trusted(campaign, history):
        proposals += _by_model(options, desks, n - len(proposals), rng)
    if len(proposals) < n:  # outcomes are on their way: more of the cheapest in the meantime
        proposals += _filled(desks, min(desks, key=campaign.cost), n - len(proposals), rng)
    if len(proposals) < n:
        from loop.optimizers.bo import why_short

        raise Exhausted(why_short(campaign, len(proposals), n), proposals)
    return proposals


def recommend(options: BayesianOptimizer, campaign: Campaign, history: History) -> Recommendation:
    """The best setting by posterior mean of the instrument's own metrics, stand-ins heard; among
    those that the instrument has measured, unless the campaign says otherwise.

    Raises NothingToRecommend until the instrument has measured every objective.
    """
    from loop.optimizers.bo_recommend import by_model
    from loop.optimizers.bo_sources import fit, samples
    from surrogates.fence import fenced

    if outcomes_known(campaign, history) == 0:
        raise NothingToRecommend("the instrument has not measured every objective yet")
    rng = np.random.default_rng([campaign.seed, history.seen, 1])
    with fenced(int(rng.integers(2**63))):
        model = fit(campaign, samples(campaign, history))
        return by_model(model, campaign, history, rng, options.pool, options.starts)


def _sources(campaign: Campaign) -> list[str]:
    from loop.optimizers.bo_sources import sources

    return sources(campaign)


def own_first(campaign: Campaign) -> int:
    """How many settings the instrument itself measures before the model is trusted."""
    return max(FEWEST_OWN, round(OWN_SHARE * len(campaign.space.parameters)))


def _spread(
    options: BayesianOptimizer, desks: Desks, n: int, rng: np.random.Generator
) -> Iterator[Proposal]:
    """The space-filling first part: stand-ins first, then the instrument at some of the same."""
    missing = n
    for name in sorted(desks, key=lambda name: desks[name].campaign.cost(name)):
        desk = desks[name]
        wanted = options.outcomes_needed(desk.campaign) if name else own_first(desk.campaign)
        asked = sum(_counts(trial, name) for trial in desk.history.trials.values())
        found = _filled(desks, name, min(missing, max(0, wanted - asked)), rng)
        missing -= len(found)
        yield from found


def _counts(trial: Trial, name: str) -> bool:
    """Whether a trial is one of the first part: of the instrument only what may teach something,
    of stand-ins, which may fail wherever they are asked, every one."""
    return trial.fidelity == name and (bool(name) or trial.failure is None)


def _filled(desks: Desks, name: str, n: int, rng: np.random.Generator) -> list[Proposal]:
    from loop.optimizers.bo import AUTHOR
    from loop.optimizers.bo_start import spread

    settings = spread(desks[name], n, rng) if n > 0 else []
    return [Proposal(dict(setting), AUTHOR, {"by": "spread"}, name) for setting in settings]


def _trusted(campaign: Campaign, history: History) -> bool:
    """Whether the instrument has measured twice at least what the model is to tell."""
    return outcomes_known(campaign, history) >= 2


def _by_model(
    options: BayesianOptimizer, desks: Desks, n: int, rng: np.random.Generator
) -> list[Proposal]:
    from loop.optimizers.bo_sources import fit, samples
    from surrogates.fence import fenced

    desk = desks[""]
    with fenced(int(rng.integers(2**63))):
        model = fit(desk.campaign, samples(desk.campaign, desk.history))
        return list(_picked(options, model, desks, n, rng))


def _picked(
    options: BayesianOptimizer,
    model: SourceModel,
    desks: Desks,
    n: int,
    rng: np.random.Generator,
) -> Iterator[Proposal]:
    from loop.optimizers.bo import AUTHOR, ROUNDS
    from loop.optimizers.bo_recommend import ranked
    from loop.optimizers.bo_search import Search, gradient_ascent, is_box, widened

    desk = desks[""]
    campaign, history = desk.campaign, desk.history
    pool = listing(campaign.space)
    climbs = pool is None
    search = Search(
        desk, rng, options.starts, ROUNDS if climbs and not is_box(campaign.space) else 0
    )
    if pool is None:
        anchors = ranked(model, campaign, history)[: options.starts]
        pool = widened(search, anchors, options.pool)
    expected = [trial.parameters for name in desks for trial in history.pending(name)]
    spent = _spent(campaign, history)
    for _ in range(n):
        acquisition = _acquire(options, model, encoded(campaign, expected))
        function = acquisition.function
        ascend = gradient_ascent(campaign.space, function, options.iterations) if climbs else None
        setting = search.best(pool, acquisition.score, ascend)
        if setting is None:
            return
        name, shares = _measured_by(model, desks, setting, spent)
        desks[name].take(setting)
        spent[bool(name)] += campaign.cost(name)
        yield Proposal(dict(setting), AUTHOR, {"by": acquisition.name, "explains": shares}, name)
        expected.append(setting)


def _spent(campaign: Campaign, history: History) -> dict[bool, float]:
    """The cost of all trials asked for: of stand-ins (True) and of the instrument (False)."""
    spent = {True: 0.0, False: 0.0}
    for trial in history.trials.values():
        spent[bool(trial.fidelity)] += campaign.cost(trial.fidelity)
    return spent


def _measured_by(
    model: SourceModel, desks: Desks, setting: Setting, spent: Mapping[bool, float]
) -> tuple[str, dict[str, float]]:
    """What measures a setting, and the share that each stand-in would explain there.

    The instrument explains all that is not known of itself, for a cost of 1: a stand-in is worth it
    where its share is larger than its cost, the one with most per cost, as long as stand-ins have
    cost less than the instrument.
    """
    campaign = desks[""].campaign
    x = encoded(campaign, [setting])[0]
    shares = {
        name: round(model.share_explained(x, i), 6)
        for i, name in enumerate(desks)
        if name and desks[name].room(setting)
    }
    worth = {name: share / campaign.cost(name) for name, share in shares.items()}
    best = max(worth, key=lambda name: worth[name], default="")
    affordable = best and spent[True] + campaign.cost(best) <= spent[False]
    return (best if affordable and worth[best] > 1.0 else ""), shares


def _acquire(options: BayesianOptimizer, model: SourceModel, pending: Array) -> Acquisition:
    """What measuring a setting on the instrument itself promises."""
    from loop.optimizers.bo_sources_acquisition import acquire

    return acquire(model, options.acquisition, pending)
