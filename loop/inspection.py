"""Whether the parts of a campaign fit together, told before anything runs."""

from __future__ import annotations

from campaigns.campaign import Campaign, CampaignError
from instruments import registry as instruments
from instruments.base import Card
from instruments.clock import RealClock, SimulatedClock
from instruments.computing import Computed
from loop.early import TrainingFailed, checkpoints, recorded_cells
from loop.history import History
from loop.misfits import misfits, place
from loop.opening import opened, simulated
from loop.optimizers import registry as optimizers
from loop.optimizers.base import NothingToRecommend
from surrogates import registry as surrogates
from surrogates.cycle_life import FEWEST_TRAINING_CELLS


def inspect(campaign: Campaign) -> tuple[Card, ...]:
    """Open the parts to see that they fit together; the cards of the instruments.

    Raises CampaignError with all that is wrong.
    """
    problems: list[str] = []
    cards: tuple[Card, ...] = ()
    problems += _optimizer_problems(campaign)
    clock = SimulatedClock() if simulated(campaign) else RealClock()
    try:
        with opened(campaign, clock) as instruments:
            cards = tuple(instrument.describe() for instrument in instruments)
        problems += misfits(campaign, cards)
    except (ValueError, KeyError) as error:
        problems += _lines(error, "instrument.options")
    problems += _predictor_problems(campaign)
    problems += execution_problems(campaign)
    problems += _plan_problems(campaign)
    if problems:
        raise CampaignError(problems)
    return cards


def _optimizer_problems(campaign: Campaign) -> list[str]:
    """Wrong options, or a campaign that the optimiser cannot serve (several objectives, say)."""
    spec = campaign.optimizer
    try:
        optimizer = optimizers.create(spec.kind, spec.options)
        if campaign.fidelities and not getattr(optimizer, "uses_fidelities", False):
            return [
                f"fidelities: '{spec.kind}' asks for the instrument alone; 'bo' weighs fidelities"
            ]
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
    named = ("instrument.", "step ", "fidelity ", "recommend.check")
    return [text if text.startswith(named) else f"{where}: {text}"]


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
        for at_cycle in checkpoints(spec):
            surrogates.target(spec.kind)(
                at_cycle=at_cycle, model=spec.model, level=spec.level, **dict(spec.options)
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
    spec = campaign.execution
    targets = [instruments.target(step.instrument.kind) for step in campaign.instruments]
    if spec.kind != "dask" or not any(issubclass(target, Computed) for target in targets):
        return []
    from loop.execution_dask import problems

    return problems(spec.address)


def _plan_problems(campaign: Campaign) -> list[str]:
    """Parts of the file that contradict each other."""
    problems = []
    for step in campaign.instruments:
        where = place(campaign, step)
        if "channels" in step.instrument.options:
            problems.append(f"{where}.options.channels: belongs into [{where}] as channels")
    wanted, trials = len(campaign.start.settings), campaign.budget.trials
    if trials is not None and wanted > trials:
        problems.append(f"start.settings: {wanted} settings, but budget.trials = {trials}")
    return problems
