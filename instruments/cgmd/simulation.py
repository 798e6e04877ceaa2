"""One slurry in LAMMPS: settle it under pressure, then shear it at one rate after the other.

`units lj` is read as um, ms, kPa: viscosities come out in Pa s. The particles are athermal and, in
truth, overdamped. Mass is a numerical device, chosen anew for each time step so that every shear
rate costs the same; there is no thermostat, because the dashpots take up the heat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from instruments.cgmd import gates
from instruments.cgmd.force_field import (
    ACTIVE_EXPANSION,
    CUTOFF_SIGMA,
    TANGENTIAL_DAMPING,
    TANGENTIAL_STIFFNESS,
)
from instruments.cgmd.mass import inertial_masses, lj_stiffness
from instruments.cgmd.model import Model
from instruments.cgmd.numerics import BLOCKS, SAMPLE_EVERY
from instruments.cgmd.placement import place

START_PACKING: Final = 0.62
PROFILE_BINS: Final = 10
_SKIN_UM = 1.8
_PUSH_STEPS = 150  # limited moves that take out the overlaps of the start
_PUSH_UM = 0.1  # longest such move
_SETTLING_DT_MS = 0.2  # at the reference damping; in proportion above it
_REFERENCE_CN = 0.8
# The barostat shrinks the volume by this share per step while there is no pressure yet, and less
# where the slurry is so stiff (or the pressure so low) that the pressure would overshoot.
_SHRINKAGE = 0.002
_STIFFNESS_TO_MODULUS = 5.0
_EXTENSIONS = 4


@dataclass(frozen=True, slots=True)
class Flow:
    """One shear rate: viscosity and its standard error from block averages in Pa s, and how far
    the velocity profile is from a straight line, as a share of its span."""

    viscosity: float
    sem: float
    profile_deviation: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one simulation gave; flows by rate in 1/s."""

    density_g_cm3: float
    packing: float
    pressure_error: float
    flows: dict[float, Flow]


class Simulation:
    """Drives one LAMMPS instance through one evaluation."""

    def __init__(self, lammps: Any, model: Model, rng: np.random.Generator) -> None:
        self._lammps = lammps
        self._model = model
        self._contents = model.contents
        self._classes = len(self._contents.counts)
        self._start(rng)

    def run(self) -> Measured:
        """Raises gates.Invalid; what LAMMPS itself raises passes through."""
        contents, numerics = self._contents, self._model.numerics
        volume, pressure_error = self._settle()
        gates.conserved(contents.particles, int(self._lammps.get_natoms()))
        gates.settled(contents, volume, pressure_error)
        self._command("change_box all triclinic")
        flows = {}
        for rate in reversed(numerics.rates_per_s):
            flow = flows[rate] = self._shear(rate, volume ** (1.0 / 3.0))
            gates.conserved(contents.particles, int(self._lammps.get_natoms()))
            gates.sheared(
                rate, flow.viscosity, flow.sem, flow.profile_deviation, numerics.profile_tolerance
            )
        return Measured(
            contents.mass_pg / volume, contents.volume_um3 / volume, pressure_error, flows
        )

    def _command(self, *lines: str) -> None:
        for line in lines:
            self._lammps.command(line)

    def _start(self, rng: np.random.Generator) -> None:
        """Box, particles and all forces that do not depend on the time step."""
        contents, count = self._contents, sum(self._contents.counts)
        diameters = np.repeat(
            (*contents.diameters_um, contents.bead_diameter_um), (*contents.counts, contents.beads)
        )
        kinds = np.repeat(np.arange(1, self._classes + 2), (*contents.counts, contents.beads))
        edge = (contents.volume_um3 / START_PACKING) ** (1.0 / 3.0)
        positions = place(diameters, count, edge, rng)
        self._command(
            "units lj",
            "atom_style sphere",
            "boundary p p p",
            "newton off",
            "comm_modify vel yes",
            f"neighbor {_SKIN_UM} bin",
            "neigh_modify delay 0 every 2 check yes one 5000 page 100000",
            f"region box block 0 {edge!r} 0 {edge!r} 0 {edge!r}",
            f"create_box {self._classes + 1} box",
        )
        numbers = list(range(1, len(diameters) + 1))
        self._lammps.create_atoms(len(numbers), numbers, kinds.tolist(), positions.ravel().tolist())
        gates.conserved(len(numbers), int(self._lammps.get_natoms()))
        for kind, diameter in enumerate(contents.diameters_um, start=1):
            self._command(f"set type {kind} diameter {ACTIVE_EXPANSION * diameter!r}")
        self._command(f"set type {self._classes + 1} diameter {contents.bead_diameter_um!r}")
        self._attract()
        self._command(
            "compute press all pressure NULL virial",
            "thermo 1000000",
            "thermo_style custom step",
            "thermo_modify lost error norm no",
        )

    def _attract(self) -> None:
        """LJ forces; depths mix by the geometric, diameters by the arithmetic mean."""
        contents, force = self._contents, self._model.force
        sizes = (*contents.diameters_um, contents.bead_diameter_um)
        depths = [force.e_am * d for d in contents.diameters_um]
        depths.append(force.e_cb * contents.bead_diameter_um)
        reach = CUTOFF_SIGMA * force.s * max(sizes)
        self._command(f"pair_style hybrid/overlay lj/smooth/linear {reach!r} granular")
        for i, one in enumerate(sizes):
            for j in range(i, len(sizes)):
                sigma = force.s * (one + sizes[j]) / 2.0
                depth = math.sqrt(depths[i] * depths[j])
                self._command(
                    f"pair_coeff {i + 1} {j + 1} lj/smooth/linear "
                    f"{depth!r} {sigma!r} {CUTOFF_SIGMA * sigma!r}"
                )

    def _pace(self, dt_ms: float) -> None:
        """Time step, the masses that make it stable, and dashpots that keep their strength."""
        force, last = self._model.force, self._classes + 1
        active, bead = inertial_masses(
            force, self._contents, dt_ms, self._model.numerics.mass_scale
        )
        some = f"1*{self._classes}"
        self._command(
            f"timestep {dt_ms!r}",
            f"set type {some} mass {active!r}",
            f"set type {last} mass {bead!r}",
        )
        for pair, contact, reduced in (
            (f"{some} {some}", force.active, active / 2.0),
            (f"{some} {last}", force.mixed, active * bead / (active + bead)),
            (f"{last} {last}", force.matrix, bead / 2.0),
        ):
            self._command(
                f"pair_coeff {pair} granular hertz {contact.kn!r} {contact.cn / reduced!r} "
                f"tangential mindlin {TANGENTIAL_STIFFNESS * contact.kn!r} "
                f"{TANGENTIAL_DAMPING!r} {contact.mu!r} damping viscoelastic"
            )

    def _settle(self) -> tuple[float, float]:
        """Volume in um3 under the pressure, and by what share the pressure is off."""
        numerics, force = self._model.numerics, self._model.force
        dt = _SETTLING_DT_MS * max(1.0, force.cn / _REFERENCE_CN)
        self._pace(dt)
        self._command(
            f"fix push all nve/limit {_PUSH_UM}", f"run {_PUSH_STEPS} post no", "unfix push"
        )
        stiffness = max(force.kn, *lj_stiffness(force, self._contents))
        target = numerics.pressure_kpa
        modulus = max(target / _SHRINKAGE, _STIFFNESS_TO_MODULUS * stiffness)
        self._command(
            "velocity all set 0 0 0",
            "set group all omega 0 0 0",
            "fix move all nve/sphere",
            f"fix box all press/berendsen iso {target!r} {target!r} {dt!r} modulus {modulus!r}",
            "fix_modify box press press",
            f"run {numerics.settling_steps} post no",
        )
        for _ in range(_EXTENSIONS):
            if abs(self._pressure_error()) < gates.PRESSURE_TOLERANCE / 3.0:
                break
            self._command(f"run {numerics.settling_steps // 2} post no")
        error, volume = self._pressure_error(), float(self._lammps.get_thermo("vol"))
        self._command("unfix box")
        return volume, error

    def _pressure_error(self) -> float:
        pressure = float(self._lammps.extract_compute("press", 0, 0))
        return pressure / self._model.numerics.pressure_kpa - 1.0

    def _shear(self, rate_per_s: float, edge_um: float) -> Flow:
        """Couette flow by deforming the box; the transient is discarded."""
        numerics = self._model.numerics
        rate = rate_per_s * 1e-3  # 1/ms
        self._pace(1.0 / (numerics.steps_per_strain * rate))
        discarded, averaged = numerics.shear_steps
        low, high = (float(bound[1]) for bound in self._lammps.extract_box()[:2])
        steps, samples = discarded + averaged, averaged // SAMPLE_EVERY
        self._command(
            "velocity all set 0 0 0",
            f"velocity all ramp vx 0 {rate * edge_um!r} y {low!r} {high!r}",
            f"set group all omega 0 0 {-rate / 2.0!r}",
            "reset_timestep 0",
            f"fix shear all deform 1 xy erate {rate!r} remap v",
            f"compute bins all chunk/atom bin/1d y lower {1.0 / PROFILE_BINS!r} units reduced",
            f"fix profile all ave/chunk {SAMPLE_EVERY} {samples} {steps} bins vx",
            f"fix stress all vector {SAMPLE_EVERY} c_press[4]",
            f"run {steps} post no",
        )
        stress = self._series("stress", discarded // SAMPLE_EVERY + 1, samples)
        speeds = [self._lammps.extract_fix("profile", 0, 2, i, 2) for i in range(PROFILE_BINS)]
        self._command("unfix shear", "unfix profile", "unfix stress", "uncompute bins")
        viscosities = -stress / rate
        blocks = viscosities.reshape(BLOCKS, -1).mean(axis=1)
        return Flow(
            float(viscosities.mean()),
            float(blocks.std(ddof=1) / math.sqrt(BLOCKS)),
            _deviation(np.asarray(speeds) / (rate * edge_um)),
        )

    def _series(self, fix: str, first: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        rows = range(first, first + count)
        return np.array([self._lammps.extract_fix(fix, 0, 1, row) for row in rows])


def _deviation(speeds: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Largest distance of a profile (in units of its span) from a straight line of slope 1."""
    heights = (np.arange(len(speeds)) + 0.5) / len(speeds)
    return float(np.abs((speeds - speeds.mean()) - (heights - heights.mean())).max())
