"""What a recommendation is worth, by the best estimate that the record allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from campaigns.records import Setting
from campaigns.space import Space
from loop.whatif_emulator import Emulator
from loop.whatif_record import Record, place_of

DRAWS = 4096  # settings of a continuous space among which the best is looked for


@dataclass(frozen=True)
class Verdict:
    """A setting's worth: its value in the objective's unit, whether the record knows it there, and
    the plain mean of what was recorded at just this setting, None where nothing was."""

    value: float
    known: bool
    record_mean: float | None


@dataclass(frozen=True)
class Judge:
    """Values settings by the emulator's posterior mean, which weighs a setting's own tests with
    those of its neighbours: the best of many noisy means is mostly the luckiest. Without an
    emulator that can be trusted it is the plain mean of the setting's tests."""

    space: Space
    record: Record
    emulator: Emulator | None
    look_up: bool

    def verdict(self, setting: Setting) -> Verdict:
        """What a recommended setting is worth."""
        mean = self.record.mean(place_of(self.space, setting))
        if self.emulator is None:
            return Verdict(float("nan") if mean is None else mean, mean is not None, mean)
        value, sd = self.emulator.at(self.space, [setting])
        known = mean is not None if self.look_up else bool(self.emulator.near(sd)[0])
        return Verdict(float(value[0]), known, mean)

    def covered(self, settings: Sequence[Setting]) -> int:
        """How many of the tests asked for are in the record, or near it where nothing is listed."""
        if self.look_up or not settings:
            tests = self.record.tests
            return sum(place_of(self.space, setting) in tests for setting in settings)
        assert self.emulator is not None
        return int(self.emulator.near(self.emulator.at(self.space, settings)[1]).sum())

    @cached_property
    def best(self) -> float:
        """The best value there is where the record knows."""
        sign = self.record.objective.sign
        record = self.record
        settings = [record.settings[place] for place in record.tests if record.values(place)]
        if self.emulator is None:
            means = [self.record.mean(place_of(self.space, one)) for one in settings]
            return float(sign * max(sign * mean for mean in means if mean is not None))
        values, sd = self.emulator.at(self.space, settings)
        if not self.look_up:
            drawn = self.space.sample(DRAWS, np.random.default_rng(0))
            there, doubt = self.emulator.at(self.space, drawn)
            values, sd = np.concatenate([values, there]), np.concatenate([sd, doubt])
            values = values[self.emulator.near(sd)]
        return float(sign * np.max(sign * values))
