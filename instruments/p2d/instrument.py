"""The P2D model as an instrument: settings, limits, metrics, nominal duration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import Clock, Job, JobState, Problem, Result, Scalar
from instruments.computed import ComputedInstrument
from instruments.computing import Payload, Task
from instruments.p2d.availability import demand_pybamm
from instruments.p2d.card import at_voltage, card
from instruments.p2d.design import problems
from instruments.p2d.evaluation import TARGET, evaluate
from instruments.p2d.metrics import CURVE_POINTS
from instruments.p2d.model import Kind
from instruments.p2d.options import P2dOptions

# CPU seconds of one discharge, about: a fixed part, and one for 20 points that goes with the mesh.
_NOMINAL_S: Final = {Kind.DFN: (0.005, 0.035), Kind.SPME: (0.005, 0.01), Kind.SPM: (0.003, 0.001)}


class P2dModel(ComputedInstrument):
    """Energy and power of a cell design, discharged at constant current."""

    def __init__(self, options: P2dOptions, clock: Clock) -> None:
        self._options = options
        self._truths: dict[str, Mapping[str, float]] = {}
        super().__init__(card(options.channels, options.curve_v), clock)

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed; or that PyBaMM is missing."""
        wanted = build(P2dOptions, options, "instrument.options")
        demand_pybamm()
        return cls(wanted, clock)

    def check(self, job: Job) -> list[Problem]:
        """Limits of the settings, then what only the cell as a whole can tell."""
        return problems(self._options.parameter_set, job.parameters)

    def task(self, job: Job) -> Task:
        return Task(TARGET, self._payload(job.parameters))

    def seconds(self, job: Job) -> float:
        fixed, with_mesh = _NOMINAL_S[self._options.model]
        return fixed + with_mesh * self._options.mesh_points / 20.0

    def result(self, answer: Payload) -> Result:
        if not answer["ok"]:
            kind = FailureKind(answer["kind"])
            return Result(JobState.FAILED, failure=kind, reason=str(answer["reason"]))
        identity, given = str(answer["identity"]), self._numbers(answer)
        scalars = {
            metric: Scalar(given[metric], unit, 0.0, source=identity)
            for metric, unit in self._card.metrics.items()
        }
        return Result(JobState.FINISHED, scalars, reason=str(answer["end"]))

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """What is measured: there is no noise. Nothing is known of a design that fails."""
        return [self._truth(setting) for setting in settings]

    def _truth(self, setting: Setting) -> Mapping[str, float]:
        key = json.dumps(dict(setting), sort_keys=True)
        if key not in self._truths:
            answer = evaluate(self._payload(setting))
            self._truths[key] = self._numbers(answer) if answer["ok"] else NOTHING
        return self._truths[key]

    def _numbers(self, answer: Payload) -> Mapping[str, float]:
        """The metrics of the card."""
        numbers = {name: float(value) for name, value in answer["scalars"].items()}
        if not self._options.curve_points:
            return numbers
        capacities = answer["curve"]["capacity_mah_cm2"]
        points = zip(self._options.curve_v, capacities, strict=True)
        return {**numbers, **{at_voltage(volts): float(given) for volts, given in points}}

    def _payload(self, settings: Setting) -> Payload:
        options = self._options
        return {
            "parameter_set": options.parameter_set,
            "model": options.model.value,
            "mesh_points": options.mesh_points,
            "rtol": options.rtol,
            "compiled": options.compiled,
            "curve_points": options.curve_points or CURVE_POINTS,
            "least_utilisation": options.least_utilisation,
            "settings": dict(settings),
        }
