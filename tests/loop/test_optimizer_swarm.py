"""The swarm as the history tells it: late, superseded and failed trials, and what attracts it."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.records import Bound, Observation, Proposal, Purpose, Setting, TrialState
from loop.events import Ended, Excluded, Observed
from loop.optimizers.pso import ParticleSwarm
from tests.loop.swarm_bench import POROSITY, Bench, campaign

# asynchronous ------------------------------------------------------------------------------------


def test_only_particles_that_rest_move_the_longest_resting_first():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=4)
    numbers = bench.ask(pso, 4)
    for number in (numbers[3], numbers[1]):
        bench.tell(number, 1.0)
    assert bench.particle(bench.ask(pso, 1)[0]) == 1
    bench.predict(numbers[0], 2.0)  # runs on, but its outcome is told
    two = [bench.particle(number) for number in bench.ask(pso, 2)]
    assert two == [0, 3]
    steps = [p.step for p in bench.swarm().particles]
    assert steps == [1, 1, 0, 1]


def test_a_late_result_is_a_personal_best_of_its_particle_alone():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=2)
    first, second = bench.ask(pso, 2)
    bench.predict(first, 5.0)
    moved = bench.ask(pso, 1)[0]
    assert bench.particle(moved) == bench.particle(first) == 0
    bench.tell(moved, 3.0)
    bench.tell(first, 1.0)  # the first cell of the particle ends after its second one
    particle = bench.swarm().particles[0]
    assert np.array_equal(bench.swarm().points[particle.best], bench.point(first))
    assert np.array_equal(particle.position, bench.point(moved))
    assert bench.swarm().particles[1].best is None
    assert not bench.swarm().particles[1].resting
    assert second


def test_a_superseded_prediction_and_a_correction_change_the_bests():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=2)
    first, second = bench.ask(pso, 2)
    bench.predict(first, 1.0)
    bench.tell(second, 2.0)
    before = bench.asked(pso, 1)
    assert bench.swarm().rank.tolist() == [0.0, 1.0]
    bench.predict(first, 3.0)
    assert bench.swarm().rank.tolist() == [1.0, 0.0]
    assert bench.asked(pso, 1) != before
    bench.tell(first, 0.5)  # the measurement replaces the prediction
    assert bench.swarm().rank.tolist() == [0.0, 1.0]
    bench.add(Excluded(0.0, first, True, "spoiled"))
    swarm = bench.swarm()
    assert len(swarm.points) == 1
    assert swarm.particles[0].best is None


def test_more_slots_than_particles_make_new_particles():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=3)
    numbers = bench.ask(pso, 5)
    assert [bench.particle(number) for number in numbers] == [0, 1, 2, 3, 4]
    bench.tell(numbers[4], 1.0)
    more = bench.ask(pso, 3)
    assert sorted(bench.particle(number) for number in more) == [4, 5, 6]
    assert len({tuple(bench.point(number)) for number in (*numbers, *more)}) == 8


def test_births_come_before_moves():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=4)
    bench.tell(bench.ask(pso, 1)[0], 1.0)
    assert [bench.particle(number) for number in bench.ask(pso, 4)] == [1, 2, 3, 0]


# failures and constraints ------------------------------------------------------------------------


def test_a_failed_particle_goes_on_from_its_personal_best():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=1)
    first = bench.ask(pso, 1)[0]
    bench.tell(first, 1.0)
    bench.fail(bench.ask(pso, 1)[0])
    for _ in range(5):
        swarm = bench.swarm()
        assert np.array_equal(swarm.points[swarm.particles[0].best], bench.point(first))
        number = bench.ask(pso, 1)[0]
        off = bench.point(number) - bench.point(first)
        assert 0.0 < np.abs(off).max() <= 0.1
        bench.fail(number)


def test_a_particle_that_only_ever_failed_is_born_again():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=1)
    points = []
    for step in range(6):
        number = bench.ask(pso, 1)[0]
        assert bench.history.trial(number).meta["step"] == step
        assert bench.particle(number) == 0
        points.append(bench.point(number))
        bench.fail(number)
    assert np.ptp(points, axis=0).min() > 0.5


def test_a_swarm_does_not_park_in_a_failing_corner():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=4)
    late = []
    for turn in range(25):
        for number in bench.ask(pso, 4):
            x = bench.point(number)
            # the loss falls towards a corner where everything fails
            if x.sum() > 1.4:
                bench.fail(number)
            else:
                bench.tell(number, 2.0 - float(x.sum()))
            if turn >= 15:
                late.append(float(x.sum()))
    assert np.mean(np.array(late) <= 1.4) > 0.25
    assert min(2.0 - s for s in late if s <= 1.4) < 0.65


@pytest.mark.parametrize("state", [TrialState.REFUSED, TrialState.STOPPED, TrialState.LOST])
def test_a_trial_without_an_outcome_is_no_personal_best(state):
    bench, pso = Bench(campaign()), ParticleSwarm(particles=1)
    number = bench.ask(pso, 1)[0]
    bench.add(Ended(0.0, number, 1, state, 1.0))
    particle = bench.swarm().particles[0]
    assert (particle.resting, particle.told, particle.best) == (True, False, None)


def test_a_censored_outcome_is_no_best():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=1)
    number = bench.ask(pso, 1)[0]
    bench.add(Observed(0.0, number, 1, Observation("loss", 1.0, None, "1", Bound.AT_MOST)))
    bench.add(Ended(0.0, number, 1, TrialState.STOPPED, 1.0))
    assert bench.swarm().particles[0].best is None


def test_breaking_an_outcome_constraint_is_worse_than_any_loss_that_keeps_it():
    bench, pso = Bench(campaign(constraints=POROSITY)), ParticleSwarm(particles=3)
    numbers = bench.ask(pso, 3)
    for number, loss, porosity in zip(numbers, (1.0, 3.0, 2.0), (0.1, 0.3, 0.2), strict=True):
        bench.add(Observed(0.0, number, 1, Observation("porosity", porosity, None, "1")))
        bench.tell(number, loss)
    swarm = bench.swarm()
    assert swarm.rank.tolist() == [1.0, 0.0, 2.0]
    points, _ = swarm.shown(2)
    assert np.array_equal(points[1], bench.point(numbers[1]))


def test_a_step_into_a_forbidden_region_is_shortened():
    bench = Bench(campaign("ruled"))
    fast = {"particle": 0, "step": 0, "velocity": [0.0, 0.6]}
    setting = bench.campaign.space.complete({"x": 0.3, "y": 0.3})
    bench.tell(bench.enter([Proposal(setting, "pso", fast)])[0], 1.0)
    found = bench.asked(ParticleSwarm(particles=1, inertia=1.0), 1)[0]
    assert found.parameters["x"] == pytest.approx(0.3)
    assert 0.598 < float(found.parameters["y"]) <= 0.6  # where x + 2 y reaches 1.5
    assert found.meta["velocity"] == pytest.approx([0.0, float(found.parameters["y"]) - 0.3])


# what attracts the swarm -------------------------------------------------------------------------


def foreign(bench: Bench, setting: Setting, *losses: float) -> None:
    for loss in losses:
        number = bench.enter([Proposal(setting, "start")], Purpose.START)[0]
        bench.tell(number, loss)


def test_the_swarm_learns_from_others_unless_told_not_to():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=2)
    for number in bench.ask(pso, 2):
        bench.tell(number, 5.0 + number)
    foreign(bench, {"x": 0.9, "y": 0.9}, 1.0)
    assert bench.swarm("all").outside == (2,)
    assert bench.swarm("own").outside == ()
    points, _ = bench.swarm("all").shown(2)
    assert [0.9, 0.9] in points.tolist()
    alone = ParticleSwarm(particles=2, learn_from="own")
    assert bench.asked(pso, 2) != bench.asked(alone, 2)


def test_repeats_count_by_their_mean():
    bench, pso = Bench(campaign(replicates=5)), ParticleSwarm(particles=1)
    bench.tell(bench.ask(pso, 1)[0], 2.0)
    foreign(bench, {"x": 0.9, "y": 0.9}, 0.0, 9.0)
    assert bench.swarm().rank.tolist() == [0.0, 1.0]


def test_another_swarm_of_the_campaign_has_its_own_particles():
    bench, pso = Bench(campaign()), ParticleSwarm(particles=2)
    other = [Proposal(p.parameters, "other", p.meta) for p in bench.asked(pso, 2)]
    for number in bench.enter(other):
        bench.tell(number, 1.0)
    swarm = bench.swarm()
    assert swarm.particles == ()
    assert swarm.outside == (0, 1)
