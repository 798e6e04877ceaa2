"""The simulated cycler's numbers: laws of ageing, bit identity, and agreement with real cells."""

import csv
import math
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instruments.cycler.cell import AVERAGE_CELL, CellFactors, CellParameters, Spread
from instruments.cycler.charging import ChargeProtocol
from instruments.cycler.cohort import Cohort, Specimen
from instruments.cycler.degradation import advance, fresh
from instruments.cycler.discharge import Discharge, capacity_ah, curves_ah, voltage_grid_v
from instruments.cycler.half_cell import graphite_potential_v, lfp_potential_v
from instruments.cycler.life import CellLife, extend
from instruments.cycler.noise import Noise, Stream, stream
from instruments.cycler.truth import average_lives

CELL = CellParameters()
SILENT = Noise().scaled(0.0)


def four(cc1, cc2, cc3):
    return cc1, cc2, cc3, 0.2 / (1 / 6 - (0.2 / cc1 + 0.2 / cc2 + 0.2 / cc3))


FAST = ChargeProtocol.four_step(four(4.8, 5.2, 5.2))
LEVELS = (3.6, 4.0, 4.4, 4.8, 5.2, 5.6, 6.0, 7.0, 8.0)


def all_protocols():
    grid = product(LEVELS, LEVELS[:8], LEVELS[:6])
    made = [four(*rates) for rates in grid if rates != (4.8, 4.8, 4.8)]
    return [ChargeProtocol.four_step(rates) for rates in made if 0.1 <= rates[3] <= 4.81]


def drawn(number, protocol=FAST, noise=None, campaign=7):
    seed = (campaign, number, 1)
    factors = Spread().draw(stream(seed, Stream.CELL))
    return CellLife(Specimen(protocol, factors), seed, noise or Noise(), CELL)


def life_of(ambient_k=303.15, **factors):
    return average_lives([FAST], CELL, ambient_k, factors=CellFactors(**factors))[0]


def test_potentials_fall_with_lithium():
    contents = np.linspace(0.0, 1.0, 400)
    assert np.all(np.diff(graphite_potential_v(contents)) < 0)
    assert np.all(np.diff(lfp_potential_v(contents)) < 0)
    assert lfp_potential_v(np.array([0.5]))[0] == pytest.approx(3.4, abs=0.01)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_impossible_cells_are_refused(value):
    with pytest.raises(ValueError, match="lithium"):
        replace(CELL, lithium_ah=value)
    with pytest.raises(ValueError, match="cooling"):
        CellFactors(cooling=value)


@pytest.mark.parametrize(
    ("rates", "ends"),
    [((), ()), ((1.0,), (0.5, 0.9)), ((-1.0,), (0.5,)), ((1.0, 2.0), (0.9, 0.5)), ((1.0,), (1.1,))],
)
def test_impossible_protocols_are_refused(rates, ends):
    with pytest.raises(ValueError, match=r"protocol|rates|charge"):
        ChargeProtocol(rates, ends)


def test_ten_minutes_to_80_percent_and_1c_from_there():
    assert FAST.charge_time_h == pytest.approx(1 / 6 + 0.17)


# How much longer or shorter a cell lives for a change of one property; from an independent
# implementation of the same equations.
@pytest.mark.parametrize(
    ("factors", "ratio"),
    [
        ({"lam_rate": 1.2}, 0.836),
        ({"negative_capacity": 1.03}, 1.137),
        ({"cooling": 1.2}, 1.027),
        ({"resistance": 1.1}, 0.975),
        ({"plating_rate": 2.0}, 0.991),
        ({"sei_rate": 1.2}, 1.000),
        ({"lithium": 1.02}, 0.998),
    ],
)
def test_sensitivity_of_life(factors, ratio):
    assert life_of(**factors) / life_of() == pytest.approx(ratio, abs=0.006)


def test_heat_shortens_life():
    lives = [life_of(kelvin) for kelvin in (293.15, 303.15, 313.15)]
    assert lives == pytest.approx([1165, 934, 758], rel=0.015)
    assert all(cool > warm for cool, warm in pairwise(lives))


@settings(max_examples=3)
@given(st.floats(1.0, 1.05))
def test_more_graphite_lives_longer(factor):
    assert life_of(negative_capacity=factor * 1.005) > life_of(negative_capacity=factor)


@settings(max_examples=4)
@given(st.integers(0, 2**40))
def test_without_noise_capacity_only_falls(seed):
    life = drawn(seed, noise=SILENT)
    extend([life], [3000])
    assert np.all(np.diff(life.capacity_ah) <= 0)
    assert life.capacity_ah[life.cycle_life - 2] >= 0.88 > life.capacity_ah[life.cycle_life - 1]


def test_without_noise_curves_rise_as_voltage_falls_and_end_at_the_capacity():
    life = drawn(3, noise=SILENT)
    extend([life], [3000])
    for cycle in (1, 10, 100, 500, life.cycle_life):
        curve = life.curves(cycle, cycle)[0]
        assert np.all(np.diff(curve) >= -1e-7)
        assert curve[0] == 0.0
        assert curve[-1] == pytest.approx(life.capacity_ah[cycle - 1], abs=5e-4)
    grid = voltage_grid_v()
    assert (len(grid), grid[0], grid[-1]) == (1000, 3.6, 2.0)


def test_curves_between_nodes_agree_with_curves_computed_outright():
    life = drawn(5, noise=SILENT)
    extend([life], [120])
    single = Cohort.of([life.specimen], CELL)
    for cycle in (5, 55, 95):
        state, cycles = fresh(single), np.zeros(single.lanes)
        for step in range(cycle // 5):
            state = advance(single, state, cycles + 5 * step)
        outright = curves_ah(Discharge.of(single, state), 1)[0]
        off = life.curves(cycle, cycle)[0] - outright
        assert np.abs(off).max() < 4e-4
        assert np.sqrt(np.mean(off**2)) < 1e-5  # below the white noise


def test_the_warm_cell_is_a_parabola_away():
    single = Cohort.of([Specimen(FAST, AVERAGE_CELL)], CELL)
    state = fresh(single)
    cold, mean, warm = (capacity_ah(Discharge.of(single, state, k))[0] for k in (-1.0, 0.0, 1.0))
    at = capacity_ah(Discharge.of(single, state, 0.4))[0]
    parabola = mean + 0.2 * (warm - cold) + 0.08 * (warm + cold - 2 * mean)
    assert cold < mean < warm
    assert at == pytest.approx(parabola, abs=1e-7)


def same(one, other):
    return all(
        getattr(one, name)[: len(getattr(other, name))].tobytes() == getattr(other, name).tobytes()
        for name in ("capacity_ah", "resistance_ohm", "temperature_k")
    )


@pytest.fixture(scope="module")
def company():
    protocols = all_protocols()[::5][:45] + [FAST] * 3
    lives = [drawn(number, protocol) for number, protocol in enumerate(protocols)]
    extend(lives, [3000] * len(lives))
    return lives


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_company_and_pieces_change_no_bit(company, size):
    some = [drawn(n, company[n].specimen.protocol) for n in range(size)]
    extend(some, [50] * size)
    early = [life.curves(2, 50) for life in some]
    extend(some[::-1], [100 + 20 * n for n in range(size)])
    extend(some, [3000] * size)
    for one, other, curves in zip(some, company, early, strict=False):
        assert one.cycle_life == other.cycle_life
        assert same(other, one)
        assert same(one, other)
        whole = other.curves(1, 100)
        assert curves.tobytes() == whole[1:50].tobytes()
        assert one.curves(77, 77).tobytes() == whole[76:77].tobytes()
    late = company[-1].curves(780, 800)
    assert company[-1].curves(784, 800).tobytes() == late[4:].tobytes()


def test_lives_of_average_cells_do_not_depend_on_company():
    protocols = all_protocols()[::50]
    together = average_lives(protocols, CELL)
    alone = [average_lives([protocol], CELL)[0] for protocol in protocols]
    assert together.tolist() == alone


def test_seeds_make_cells_different_and_repeatable():
    one, again, other = drawn(1), drawn(1), drawn(2)
    extend([one, again, other], [20] * 3)
    assert one.curves(2, 20).tobytes() == again.curves(2, 20).tobytes()
    assert one.capacity_ah[0] != other.capacity_ah[0]


def test_protocols_of_different_length_cannot_share_a_cohort():
    with pytest.raises(ValueError, match="same number of steps"):
        average_lives([FAST, ChargeProtocol((1.0,), (0.9,))], CELL)


def test_the_224_protocols_spread_over_the_lives_of_the_campaign():
    protocols = all_protocols()
    lives = average_lives(protocols, CELL)
    assert len(protocols) == 224
    assert 450 < lives.min() < 520
    assert 930 < lives.max() < 1100
    best = protocols[int(lives.argmax())].rates_per_h[:3]
    assert best == (5.2, 4.8, 4.8)  # where the recorded campaign found its best, too


def test_lives_agree_with_the_nine_validated_protocols(recorded_data: Path):
    text = (recorded_data / "attia2020/validation_cycle_lives.csv").read_text(encoding="utf-8-sig")
    rows = [[float(value) for value in row] for row in csv.reader(text.splitlines()[1:])]
    lives = average_lives([ChargeProtocol.four_step(four(*row[:3])) for row in rows], CELL)
    means = [np.mean(row[3:]) for row in rows]
    assert np.corrcoef(lives, means)[0, 1] >= 0.95
    assert np.abs(lives / means - 1).mean() < 0.05


def test_early_variance_tells_the_life_as_in_real_cells(company):
    lives = np.log10([life.cycle_life for life in company])
    variance = np.log10([np.var(c.curves(100, 100) - c.curves(10, 10)) for c in company])
    assert -0.97 <= np.corrcoef(variance, lives)[0, 1] <= -0.85


def test_cells_of_one_protocol_differ_as_real_ones_do():
    lives = [drawn(number, campaign=11) for number in range(48)]
    extend(lives, [3000] * 48)
    found = np.array([life.cycle_life for life in lives])
    assert 0.08 <= found.std() / found.mean() <= 0.15
