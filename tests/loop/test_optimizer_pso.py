"""How the swarm moves: pyswarms' own iterations bit for bit, allowed settings, nothing leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.campaign import CampaignError
from campaigns.records import (
    Proposal,
    Setting,
)
from loop.events import Proposed
from loop.optimizers import registry
from loop.optimizers.pso import ParticleSwarm
from loop.optimizers.pyswarms_fence import fenced
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import hill, run
from tests.loop.swarm_bench import SPACES, Bench, campaign


def corner(x: np.ndarray) -> np.ndarray:
    """A sphere round a point near a corner, so that walls are met."""
    return np.asarray(((x - np.array([0.97, 0.9])) ** 2).sum(axis=-1))


def drive(bench: Bench, pso: ParticleSwarm, rounds: int, n: int) -> tuple[list[Any], list[int]]:
    """Synchronous rounds: positions and velocities of each, and the seeds of its draws."""
    path, seeds = [], []
    for _ in range(rounds):
        seeds.append(int(bench.rng().integers(2**32)))
        numbers = bench.ask(pso, n)
        for number in numbers:
            bench.tell(number, float(corner(bench.point(number))))
        velocity = [bench.history.trial(number).meta["velocity"] for number in numbers]
        path.append((np.array([bench.point(i) for i in numbers]), np.array(velocity)))
    return path, seeds


def pyswarms_path(
    pso: ParticleSwarm, start: tuple[np.ndarray, np.ndarray], seeds: list[int]
) -> list[Any]:
    """The same rounds by pyswarms itself, drawing what we drew: seeds are set as costs are asked
    for, which it does right before it moves."""
    ahead = iter([*seeds[1:], 0])

    def function(x: np.ndarray) -> np.ndarray:
        np.random.seed(next(ahead))  # noqa: NPY002
        return corner(x)

    with fenced(0):
        from pyswarms.single import GlobalBestPSO, LocalBestPSO

        options = {"w": pso.inertia, "c1": pso.cognitive, "c2": pso.social}
        kind = GlobalBestPSO
        if pso.topology == "ring":
            kind, options = LocalBestPSO, {**options, "k": pso.neighbours, "p": pso.norm}
        theirs = kind(
            len(start[0]), 2, options, bounds=(np.zeros(2), np.ones(2)), init_pos=start[0].copy(),
            bh_strategy=pso.boundary, velocity_clamp=pso.velocity_clamp,
        )  # fmt: skip
        theirs.swarm.velocity = start[1].copy()
        theirs.optimize(function, len(seeds), verbose=False)
    return list(zip(theirs.pos_history, theirs.velocity_history, strict=True))


OPTIONS = {
    **{name: {"boundary": name} for name in ("nearest", "periodic", "reflective", "shrink")},
    "intermediate": {"boundary": "intermediate"},
    "clamped": {"velocity_clamp": (-0.05, 0.08)},
    "ring": {"topology": "ring"},
    "ring of one": {"topology": "ring", "neighbours": 1},
    "ring by sums": {"topology": "ring", "neighbours": 4, "norm": 1},
    "eager": {"inertia": 0.9, "cognitive": 0.5, "social": 2.5},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_synchronous_rounds_are_those_of_pyswarms_bit_for_bit(name):
    pso = ParticleSwarm(particles=6, **OPTIONS[name])
    bench = Bench(campaign(replicates=100))  # particles may meet at a corner of the cube
    ours, seeds = drive(bench, pso, 8, 6)
    theirs = pyswarms_path(pso, ours[0], seeds)
    walls = 0
    for (x, v), (their_x, their_v) in zip(ours, theirs, strict=True):
        assert np.array_equal(x, their_x)
        assert np.array_equal(v, their_v)
        walls += int(((x == 0.0) | (x == 1.0)).any())
    if name == "nearest":
        assert walls > 0


def test_one_iteration_is_the_formula():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=5)
    path, seeds = drive(bench, pso, 2, 5)
    (x, v), (moved, kept) = path
    best = x[corner(x).argmin()]
    legacy = np.random.RandomState(seeds[1])
    r1, r2 = legacy.uniform(size=x.shape), legacy.uniform(size=x.shape)
    wanted = 0.7 * v + 1.5 * r1 * (x - x) + 1.5 * r2 * (best - x)
    assert kept == pytest.approx(wanted, abs=1e-15)
    assert moved == pytest.approx(np.clip(x + wanted, 0.0, 1.0), abs=1e-15)


def test_the_first_positions_are_the_sobol_points_of_the_campaign():
    bench = Bench(campaign())
    ours = [dict(p.parameters) for p in bench.asked(ParticleSwarm(), 8)]
    sobol = registry.create("sobol", {}).propose(bench.campaign, bench.history, 8, bench.rng())
    assert ours == [dict(p.parameters) for p in sobol]
    uniform = bench.asked(ParticleSwarm(initial="uniform"), 8)
    assert ours[0] != dict(uniform[0].parameters)


@pytest.mark.parametrize("strategy", ["adjust", "invert", "zero"])
def test_a_velocity_strategy_acts_at_the_wall(strategy):
    bench = Bench(campaign())
    fast = {"particle": 0, "step": 0, "velocity": [0.5, 0.1]}
    bench.tell(bench.enter([Proposal({"x": 0.9, "y": 0.5}, "pso", fast)])[0], 1.0)
    pso = ParticleSwarm(particles=1, velocity=strategy, inertia=1.0)
    found = bench.asked(pso, 1)[0]
    assert found.parameters["x"] == 1.0
    wanted = {"adjust": [0.1, 0.1], "invert": [-0.25, -0.05], "zero": [0.0, 0.0]}[strategy]
    assert found.meta["velocity"] == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    space=st.sampled_from(sorted(SPACES)),
    options=st.fixed_dictionaries(
        {
            "topology": st.sampled_from(["star", "ring"]),
            "neighbours": st.integers(1, 12),
            "norm": st.sampled_from([1, 2]),
            "velocity_clamp": st.sampled_from([None, (-0.2, 0.2), (-0.01, 0.3)]),
            "velocity": st.sampled_from(["unmodified", "adjust", "invert", "zero"]),
            "boundary": st.sampled_from(
                ["nearest", "periodic", "random", "reflective", "shrink", "intermediate"]
            ),
            "initial": st.sampled_from(["sobol", "uniform"]),
            "learn_from": st.sampled_from(["all", "own"]),
            "inertia": st.sampled_from([0.3, 0.7, 1.0]),
            "particles": st.integers(1, 5),
        }
    ),
    fates=st.lists(st.sampled_from(["told", "failed", "late", "predicted"]), min_size=4),
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=5),
)
def test_every_move_is_allowed_whatever_happened(space, options, fates, sizes):
    bench, pso = Bench(campaign(space)), ParticleSwarm(**options)
    for n in sizes:
        found = bench.asked(pso, n)
        assert len(found) == n
        assert found == bench.asked(pso, n)
        moving = [p.meta["particle"] for p in found]
        assert len(set(moving)) == n
        for proposal in found:
            assert bench.campaign.space.problems(proposal.parameters) == []
            velocity = np.array(proposal.meta["velocity"])
            assert velocity.shape == (bench.campaign.space.dimension,)
            assert np.isfinite(velocity).all()
            if pso.velocity_clamp is not None:
                assert (velocity >= pso.velocity_clamp[0]).all()
                assert (velocity <= pso.velocity_clamp[1]).all()
        assert len({bench.history.key(p.parameters) for p in found}) == n
        for number in bench.enter(found):
            fate = fates[number % len(fates)]
            loss = float((bench.point(number) ** 2).sum())
            if fate == "told":
                bench.tell(number, loss)
            elif fate == "failed":
                bench.fail(number)
            elif fate == "predicted":
                bench.predict(number, loss)


# distinct settings -------------------------------------------------------------------------------


def still(bench: Bench, setting: Setting) -> None:
    meta = {"particle": 0, "step": 0, "velocity": [0.0] * bench.campaign.space.dimension}
    bench.tell(bench.enter([Proposal(setting, "pso", meta)])[0], 1.0)


def test_a_particle_at_rest_takes_a_tiny_step():
    bench = Bench(campaign())
    still(bench, {"x": 0.5, "y": 0.5})
    found = bench.asked(ParticleSwarm(particles=1), 1)[0].parameters
    assert 0.0 < abs(float(found["x"]) - 0.5) < 1e-6
    repeated = Bench(campaign(replicates=2))
    still(repeated, {"x": 0.5, "y": 0.5})
    assert repeated.asked(ParticleSwarm(particles=1), 1)[0].parameters == {"x": 0.5, "y": 0.5}


def test_whole_numbers_at_rest_take_a_neighbour():
    bench = Bench(campaign("integers"))
    still(bench, {"a": 3, "b": 3})
    found = bench.asked(ParticleSwarm(particles=1), 1)[0].parameters
    assert max(abs(int(found["a"]) - 3), abs(int(found["b"]) - 3)) == 1


def test_whole_numbers_are_used_up_to_the_last():
    bench, pso = Bench(campaign("integers")), ParticleSwarm(particles=7)
    for _ in range(7):
        for number in bench.ask(pso, 7):
            bench.tell(number, float(bench.point(number).sum()))
    assert len({bench.history.key(t.parameters) for t in bench.history.trials.values()}) == 49
    with pytest.raises(Exception, match="no setting that has not been asked for"):
        bench.asked(pso, 1)


def test_a_used_candidate_gives_way_to_the_nearest_free_one():
    bench = Bench(campaign("choices"))
    still(bench, {"a": 3.0, "b": 0.2})
    found = bench.asked(ParticleSwarm(particles=1), 1)[0].parameters
    assert dict(found) == {"a": 3.0, "b": 0.1}  # (3, 0.4) is excluded and further


# the promises around it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particles": 0}, "optimizer.options.particles: must be at least 1, not 0"),
        ({"inertia": 1.2}, "optimizer.options.inertia: must be from 0 to 1, not 1.2"),
        ({"social": -1.0}, "optimizer.options.social: must be from 0 to 10, not -1"),
        ({"neighbours": 0}, "optimizer.options.neighbours: must be at least 1, not 0"),
        ({"velocity_clamp": [0.1, 0.2]}, "optimizer.options.velocity_clamp: must be a number"),
        ({"velocity_clamp": [0.1]}, "optimizer.options.velocity_clamp: "),
        ({"topology": "wheel"}, "optimizer.options.topology: "),
        ({"norm": 3}, "optimizer.options.norm: "),
        ({"w": 0.7}, "optimizer.options.w: unknown option"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(CampaignError) as caught:
        registry.create("pso", options)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("channels", "rounds"), [(3, False), (4, True)])
def test_a_campaign_of_the_swarm_verifies(channels, rounds):
    with Store.open("sqlite://") as store:
        case = hill("pso", channels=channels, rounds=rounds, budget="trials = 40")
        campaign_id = run(store, case)
        verdict = verify(store, campaign_id)
        authors = {
            trial.author
            for event in store.events(campaign_id)
            if isinstance(event.body, Proposed)
            for trial in event.body.trials
        }
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals == 40
    assert authors == {"pso"}


CHECK = """
import logging, os, random, sys, warnings
import numpy as np
from scipy import spatial, special
from tests.loop.swarm_bench import Bench, campaign
from loop.optimizers.pso import ParticleSwarm
assert "pyswarms" not in sys.modules
def state():
    numpy = [str(part) for part in np.random.get_state()]
    root = logging.getLogger()
    return (numpy, random.getstate(), list(root.handlers), root.level, list(root.filters),
            list(warnings.filters), sorted(os.listdir(".")), dict(os.environ),
            list(logging._handlers))
np.random.seed(3)
handler = logging.StreamHandler()
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.ERROR)
before = state()
bench, pso = Bench(campaign()), ParticleSwarm(topology=sys.argv[1])
for number in bench.ask(pso, 8):
    bench.tell(number, 1.0 * number)
bench.ask(pso, 8)
assert "pyswarms" in sys.modules
for old, new in zip(before, state()):
    assert old == new, (old, new)
"""


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_nothing_of_pyswarms_leaks(tmp_path, topology):
    root = Path(__file__).resolve().parents[2]
    script = f"import sys; sys.path.insert(0, {str(root)!r})\n{CHECK}"
    done = subprocess.run(
        [sys.executable, "-c", script, topology], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_fence_gives_the_variable_back(monkeypatch):
    monkeypatch.setenv("LOG_CFG", "mine.yaml")
    with fenced(1):
        first = np.random.random()  # noqa: NPY002
    with fenced(1):
        assert np.random.random() == first  # noqa: NPY002
    assert os.environ["LOG_CFG"] == "mine.yaml"
