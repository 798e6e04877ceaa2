"""The optimisers that a campaign can name: ours by lazy target, others by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from campaigns.problems import CampaignError, unknown

if TYPE_CHECKING:
    from loop.optimizers.base import Optimizer

GROUP = "leyden.optimizers"  # of the entry points of other distributions

TARGETS: Mapping[str, str] = {
    "random": "loop.optimizers.random:RandomSearch",
    "sobol": "loop.optimizers.sobol:Sobol",
    "bayes_gap": "loop.optimizers.bayes_gap:BayesGap",
    "gp_ucb": "loop.optimizers.gp_ucb:GpUcb",
    "bo": "loop.optimizers.bo:BayesianOptimizer",
    "nsga2": "loop.optimizers.nsga2:Nsga2",
    "pso": "loop.optimizers.pso:ParticleSwarm",
    "ml_pso": "loop.optimizers.ml_pso:MachineLearningSwarm",
    "mixture_design": "loop.optimizers.mixture_design:MixtureDesign",
    "portfolio": "loop.optimizers.portfolio:Portfolio",
}


def known() -> tuple[str, ...]:
    """The kinds that a campaign can name: ours first, then those of other distributions."""
    return (*TARGETS, *(name for name in _foreign() if name not in TARGETS))


def load(kind: str) -> type[Optimizer]:
    """The class behind a kind; its module is imported now. Raises CampaignError if unknown."""
    if kind in TARGETS:
        module, _, name = TARGETS[kind].partition(":")
        return cast("type[Optimizer]", getattr(import_module(module), name))
    foreign = _foreign()
    if kind in foreign:
        return cast("type[Optimizer]", foreign[kind].load())
    raise CampaignError([f"optimizer.kind: '{kind}': {unknown('optimizer', kind, known())}"])


def create(kind: str, options: Mapping[str, Any]) -> Optimizer:
    """The optimiser with its options. Raises CampaignError, naming every mistake in them."""
    from campaigns.options import build

    optimizer: Optimizer = build(load(kind), options, "optimizer.options")
    return optimizer


def _foreign() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP))}
