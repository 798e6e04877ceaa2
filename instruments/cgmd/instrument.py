"""The slurry simulation as an instrument: settings, limits, metrics, nominal duration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import (
    Card,
    Clock,
    Job,
    JobState,
    Problem,
    Result,
    Scalar,
    SettingCard,
)
from instruments.cgmd.availability import demand_lammps
from instruments.cgmd.evaluation import TARGET
from instruments.cgmd.gates import least_edge_um
from instruments.cgmd.metrics import units
from instruments.cgmd.model import Model
from instruments.cgmd.numerics import Fidelity
from instruments.cgmd.options import CgmdOptions, start_edge_um
from instruments.computed import ComputedInstrument
from instruments.computing import Payload, Task
from instruments.guard import outside

# Wide on purpose: what is physically senseless but can be simulated fails by its own reason.
SETTINGS: Final = (
    SettingCard("kn", "kPa", 0.01, 1000.0, optional=True),
    SettingCard("cn", "Pa*s", 0.01, 100.0, optional=True),
    SettingCard("mu", "1", 0.0, 10.0, optional=True),
    SettingCard("e_am", "kPa*um**2", 1e-6, 1000.0, optional=True),
    SettingCard("e_cb", "kPa*um**2", 1e-6, 1000.0, optional=True),
    SettingCard("s", "1", 0.5, 1.2, optional=True),
    SettingCard("active_material", "percent", 80.0, 99.0, optional=True),
    SettingCard("solid_content", "percent", 40.0, 90.0, optional=True),
    SettingCard("carbon_binder_ratio", "1", 0.01, 100.0, optional=True),
)
FEWEST_BEADS: Final = 20
MOST_PARTICLES: Final = 5000
NOMINAL_SECONDS: Final = {Fidelity.FAST: 2.0, Fidelity.MID: 3.0, Fidelity.FULL: 15.0}
# A hang is ended by the CPU time it took, which is repeatable: at least 20 s plus ten times what a
# slow machine needs (50 000 particle steps per second).
_CPU_FLOOR_S = 20
_PARTICLE_STEPS_PER_S = 50_000


class SlurrySimulation(ComputedInstrument):
    """Density and flow curve of an electrode slurry from coarse-grained molecular dynamics."""

    def __init__(self, options: CgmdOptions, clock: Clock) -> None:
        self._options = options
        self._model = options.model
        super().__init__(_card(options), clock)

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed; or that LAMMPS is missing."""
        wanted = build(CgmdOptions, options, "instrument.options")
        demand_lammps()
        return cls(wanted, clock)

    def check(self, job: Job) -> list[Problem]:
        """Limits of the settings, then what only the recipe as a whole can tell."""
        return outside(self._card, job.parameters) or _unfit(self._model, job.parameters)

    def task(self, job: Job) -> Task:
        model = self._model.with_settings(job.parameters)
        work = model.contents.particles * model.numerics.steps
        limits = {
            "timeout_s": self._options.timeout_s,
            "memory_limit_gib": self._options.memory_gib,
            "cpu_limit_s": _CPU_FLOOR_S + work // _PARTICLE_STEPS_PER_S,
        }
        seed = [number % 2**64 for number in job.seed]  # seeds may not be negative
        return Task(TARGET, {**model.payload(), **limits, "seed": seed})

    def seconds(self, job: Job) -> float:
        return NOMINAL_SECONDS[self._options.fidelity]

    def result(self, answer: Payload) -> Result:
        if not answer["ok"]:
            kind = FailureKind(answer["kind"])
            return Result(JobState.FAILED, failure=kind, reason=str(answer["reason"]))
        identity, given = str(answer["identity"]), answer["scalars"]
        scalars = {
            metric: Scalar(float(given[metric][0]), unit, given[metric][1], source=identity)
            for metric, unit in self._card.metrics.items()
        }
        return Result(JobState.FINISHED, scalars)


def _card(options: CgmdOptions) -> Card:
    return Card(
        kind="cgmd",
        settings=SETTINGS,
        metrics=units(options.numerics.rates_per_s),
        channels=options.channels,
        series=False,
        repeatable=True,
        abortable=True,
        simulated=True,
    )


def _unfit(reference: Model, parameters: Setting) -> list[Problem]:
    """A box with too few beads, too many particles, or too small for its largest particle."""
    model = reference.with_settings(parameters)
    contents = model.contents
    if contents.beads < FEWEST_BEADS:
        reason = f"leaves {contents.beads} beads of carbon, binder and solvent in the box"
        return [Problem("solid_content", f"{reason}; at least {FEWEST_BEADS} are needed")]
    if contents.particles > MOST_PARTICLES:
        reason = f"puts {contents.particles} particles into the box"
        return [Problem("solid_content", f"{reason}; at most {MOST_PARTICLES} are allowed")]
    edge, least = start_edge_um(model), least_edge_um(contents)
    if edge <= least:
        reason = f"makes the box about {edge:.3g} um wide; more than {least:.3g} um are needed"
        return [Problem("solid_content", reason)]
    return []
