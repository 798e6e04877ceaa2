"""Small campaigns for a swarm, driven on a history without a store."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from campaigns.campaign import Campaign, parse
from campaigns.records import (
    Failure,
    FailureKind,
    Observation,
    Prediction,
    Proposal,
    Purpose,
    TrialState,
)
from loop.events import Ended, Observed, Predicted, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers.pso import ParticleSwarm
from loop.optimizers.swarm import Swarm

TOML = """
name = "swarm"
seed = 5
{space}
[[objectives]]
metric = "loss"
goal = "minimize"
{constraints}
[optimizer]
kind = "pso"
replicates = {replicates}
[instrument]
kind = "table"
channels = 4
[budget]
trials = 100
"""
SQUARE = "[space.parameters]\nx = { low = 0.0, high = 1.0 }\ny = { low = 0.0, high = 1.0 }"
SPACES = {
    "square": SQUARE,
    "mixed": """
[space.parameters]
rate = { low = 0.01, high = 10.0, scale = "log" }
layers = { low = 1, high = 5, integer = true }
salt = { choices = ["LiPF6", "LiFSI", "LiTFSI"] }
""",
    "integers": """
[space.parameters]
a = { low = 0, high = 6, integer = true }
b = { low = 0, high = 6, integer = true }
""",
    "ruled": """
[space]
exclude = ["x > 0.4 and x < 0.6"]
constraints = ["x + 2*y <= 1.5"]
[space.parameters]
x = { low = 0.0, high = 1.0 }
y = { low = 0.0, high = 1.0 }
[space.derived]
z = { expression = "x*y", low = 0.0, high = 0.3 }
""",
    "sums": """
[space]
sums = [{ of = ["a", "b", "c"], equals = 1.0 }]
[space.parameters]
a = { low = 0.0, high = 1.0 }
b = { low = 0.1, high = 0.9 }
c = { low = 0.0, high = 0.5 }
""",
    "choices": """
[space]
exclude = ["a == 3.0 and b == 0.4"]
[space.parameters]
a = { choices = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] }
b = { choices = [0.1, 0.2, 0.4, 0.8, 0.9] }
""",
}
POROSITY = '[[constraints]]\nmetric = "porosity"\nat_least = 0.25'
LOST = Failure(FailureKind.OUT_OF_RANGE, "cannot be made", infeasible=True)


@cache
def campaign(space: str = "square", replicates: int = 1, constraints: str = "") -> Campaign:
    text = TOML.format(space=SPACES[space], replicates=replicates, constraints=constraints)
    return parse(text)


class Bench:
    """A campaign on a history without a store."""

    def __init__(self, case: Campaign) -> None:
        self.campaign = case
        self.history = History(case.space.names)

    def add(self, *bodies: Any) -> None:
        for body in bodies:
            self.history.apply(self.history.seen + 1, body)

    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.campaign.seed, self.history.next_number])

    def asked(self, pso: ParticleSwarm, n: int) -> list[Proposal]:
        """What the swarm proposes, its meta having been through JSON."""
        found = pso.propose(self.campaign, self.history, n, self.rng())
        return [
            Proposal(p.parameters, p.author, json.loads(json.dumps(dict(p.meta), allow_nan=False)))
            for p in found
        ]

    def enter(self, found: list[Proposal], purpose: Purpose = Purpose.SEARCH) -> list[int]:
        first = self.history.next_number
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in found)
        self.add(Proposed(0.0, self.history.seen, len(found), first, "x", purpose, trials))
        return list(range(first, first + len(found)))

    def ask(self, pso: ParticleSwarm, n: int) -> list[int]:
        return self.enter(self.asked(pso, n))

    def tell(self, number: int, loss: float) -> None:
        self.add(Observed(0.0, number, 1, Observation("loss", loss, None, "1")))
        self.add(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def fail(self, number: int, failure: Failure = LOST) -> None:
        self.add(Ended(0.0, number, 1, TrialState.FAILED, 1.0, failure))

    def predict(self, number: int, loss: float) -> None:
        told = Prediction("loss", loss, 0.1, "1", loss - 1, loss + 1, 0.9, 100, "m")
        self.add(Predicted(0.0, number, 1, told))

    def point(self, number: int) -> np.ndarray:
        return self.campaign.space.encode([self.history.trial(number).parameters])[0]

    def particle(self, number: int) -> int:
        return int(self.history.trial(number).meta["particle"])

    def swarm(self, learn_from: Any = "all") -> Swarm:
        return Swarm.of(self.campaign, self.history, learn_from)
