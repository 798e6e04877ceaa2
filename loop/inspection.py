"""Whether the parts of a campaign fit together, told before anything runs."""

from __future__ import annotations

import ast

from campaigns.campaign import Campaign, CampaignError
from campaigns.expression import parse as parse_expression
from instruments import registry as instruments
from instruments.base import Card
from instruments.computing import Computed
from loop.admission import Exchange
from loop.clock import RealClock, SimulatedClock
from loop.discrepancy import measured
from loop.early import TrainingFailed, horizon, recorded_cells
from loop.history import History
from loop.opening import opened, simulated
from loop.optimizers import registry as optimizers
from loop.optimizers.base import NothingToRecommend
from loop.units import UnitError
from surrogates import registry as surrogates
from surrogates.cycle_life import FEWEST_TRAINING_CELLS


def inspect(campaign: Campaign) -> Card:
    """Open the parts to see that they fit together. Raises CampaignError with all that is wrong."""
    problems: list[str] = []
    card: Card | None = None
    problems += _optimizer_problems(campaign)
    clock = SimulatedClock() if simulated(campaign) else RealClock()
    try:
        with opened(campaign, clock) as instrument:
            card = instrument.describe()
        problems += _misfits(campaign, card)
    except (ValueError, KeyError) as error:
        problems += _lines(error, "instrument.options")
    problems += _predictor_problems(campaign)
    problems += execution_problems(campaign)
    problems += _plan_problems(campaign)
    if problems or card is None:
        raise CampaignError(problems)
    return card


def _optimizer_problems(campaign: Campaign) -> list[str]:
    """Wrong options, or a campaign that the optimiser cannot serve (several objectives, say)."""
    spec = campaign.optimizer
    try:
        optimizer = optimizers.create(spec.kind, spec.options)
        optimizer.recommend(campaign, History(campaign.space.names))
    except CampaignError as error:
        return list(error.problems)
    except NothingToRecommend:
        pass  # the right answer to an empty history
    return []


def _lines(error: Exception, where: str) -> list[str]:
    if isinstance(error, CampaignError):
        return list(error.problems)
    text = str(error)
    return [text if text.startswith("instrument.") else f"{where}: {text}"]


def _misfits(campaign: Campaign, card: Card) -> list[str]:
    """Where campaign and instrument do not fit: metrics, settings, units, series."""
    metrics = [("objectives", name) for spec in campaign.objectives for name in measured(spec)]
    metrics += [("constraints", spec.metric) for spec in campaign.constraints]
    problems = [
        f"{where}: {card.kind} does not measure {metric!r}; it measures {', '.join(card.metrics)}"
        for where, metric in metrics
        if metric not in card.metrics
    ]
    problems += [
        f"objectives: {card.kind} measures {spec.metric!r}; give the discrepancy a name of its own"
        for spec in campaign.objectives
        if spec.curve is not None and spec.metric in card.metrics
    ]
    space = campaign.space
    names = {item.name for item in (*space.parameters, *space.derived)}
    taken = {setting.name for setting in card.settings}
    if not card.open_settings:
        problems += [
            f"space.parameters.{name}: {card.kind} takes no such setting; it takes "
            f"{', '.join(sorted(taken))}"
            for name in sorted(names - taken)
        ]
    else:
        problems += _unseen(campaign, card, taken)
    problems += _texts(campaign, card)
    problems += [
        f"space.parameters: {card.kind} needs {setting.name!r} ({setting.unit})"
        for setting in card.settings
        if setting.name not in names and not setting.optional
    ]
    if campaign.instrument.channels > card.channels:
        problems.append(
            f"instrument.channels: {campaign.instrument.channels} are wanted, {card.kind} has "
            f"{card.channels}"
        )
    if campaign.early_prediction is not None and not card.series:
        problems.append(
            f"early_prediction: {card.kind} gives no per-cycle series to predict from; leave the "
            "section out"
        )
    try:
        Exchange.between(campaign, card)
    except UnitError as error:
        problems.append(f"units: {error}")
    return problems


def _unseen(campaign: Campaign, card: Card, taken: set[str]) -> list[str]:
    """Parameters that would be varied though nobody looks at them."""
    formulas = [parse_expression(derived.expression) for derived in campaign.space.derived]
    nodes = (node for formula in formulas for node in ast.walk(formula))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return [
        f"space.parameters.{name}: {card.kind} does not look at it; it takes "
        f"{', '.join(sorted(taken))}"
        for name in campaign.space.names
        if name not in taken and name not in used
    ]


def _texts(campaign: Campaign, card: Card) -> list[str]:
    """Parameters that are words where the instrument takes numbers."""
    numeric = {setting.name for setting in card.settings if not setting.options}
    return [
        f"space.parameters.{parameter.name}: {card.kind} takes a number, not a text"
        for parameter in campaign.space.parameters
        if parameter.name in numeric and parameter.kind != "number"
    ]


def _predictor_problems(campaign: Campaign) -> list[str]:
    spec = campaign.early_prediction
    if spec is None:
        return []
    if campaign.objectives[0].curve is not None:
        return [
            "early_prediction: predicts what is measured; objectives[0] is the discrepancy from a "
            "target file, which is not; leave one of them out"
        ]
    try:
        horizon(spec)
    except CampaignError as error:
        return list(error.problems)
    try:
        surrogates.target(spec.kind)(
            at_cycle=spec.at_cycle, model=spec.model, level=spec.level, **dict(spec.options)
        )
    except (ValueError, TypeError) as error:
        return [f"early_prediction: {error}"]
    if spec.training.simulate and spec.training.simulate < FEWEST_TRAINING_CELLS:
        return [
            f"early_prediction.training.simulate: {spec.training.simulate} is too few; at least "
            f"{FEWEST_TRAINING_CELLS} cells are needed"
        ]
    if spec.training.folder:
        try:
            recorded_cells(spec.training.folder, spec.training.splits or ())
        except TrainingFailed as error:
            return [str(error)]
    return []


def execution_problems(campaign: Campaign) -> list[str]:
    """A cluster that cannot be reached; no matter where nothing is computed elsewhere."""
    spec, instrument = campaign.execution, instruments.target(campaign.instrument.kind)
    if spec.kind != "dask" or not issubclass(instrument, Computed):
        return []
    from loop.execution_dask import problems

    return problems(spec.address)


def _plan_problems(campaign: Campaign) -> list[str]:
    """Parts of the file that contradict each other."""
    problems = []
    if "channels" in campaign.instrument.options:
        problems.append("instrument.options.channels: belongs into [instrument] as channels")
    wanted, trials = len(campaign.start.settings), campaign.budget.trials
    if trials is not None and wanted > trials:
        problems.append(f"start.settings: {wanted} settings, but budget.trials = {trials}")
    return problems
