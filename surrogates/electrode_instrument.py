"""An electrode surrogate as an instrument, so that every campaign can run on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import Card, Clock, Job, JobState, Result, Scalar, SettingCard
from instruments.computed import ComputedInstrument
from instruments.computing import Computer, Payload, Task
from surrogates.electrode import LEVEL, ElectrodeModel, Prediction
from surrogates.electrode_archive import NoArchive
from surrogates.electrode_file import digest, from_bytes

KIND: Final = "p2d.surrogate"
NOMINAL_SECONDS: Final = 1e-3


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class ElectrodeOptions:
    """Options of `[instrument] kind = "p2d.surrogate"`.

    file: what `leyden surrogate build` wrote; level: of the intervals that the sd stands for
    """

    file: str
    level: float = Field(default=LEVEL, gt=0.0, lt=1.0)
    channels: int = Field(default=1, ge=1)


@dataclass(frozen=True, slots=True)
class _Artifact:
    """A surrogate and the text that numbers from it are known by."""

    model: ElectrodeModel
    identity: str


class ElectrodeSurrogate(ComputedInstrument):
    """Foretells what `p2d` would measure; the sd is its doubt, there is no noise.

    A design that is likely to be invalid fails as out of range, with the probability; one that is
    far from all it was trained on says so in the source of its numbers.
    """

    def __init__(self, options: ElectrodeOptions, artifact: _Artifact, clock: Clock) -> None:
        self._options = options
        self._artifact = artifact
        super().__init__(_card(options, artifact.model), clock)
        self._own = _Here(artifact.model, options.level)
        self._computer = self._own

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option or file, what is wrong, what is allowed."""
        wanted = build(ElectrodeOptions, options, "instrument.options")
        if wanted.file not in files:
            raise ValueError(f"instrument.options.file: there is no file {wanted.file!r}")
        content = files[wanted.file]
        try:
            model = from_bytes(content)
        except NoArchive as error:
            raise ValueError(f"instrument.options.file: {wanted.file} {error}") from error
        identity = f"{KIND} {digest(content)[:16]} ({model.kind})"
        return cls(wanted, _Artifact(model, identity), clock)

    def compute_with(self, computer: Computer) -> None:
        """Nothing changes: a prediction takes less time than sending it elsewhere."""

    def task(self, job: Job) -> Task:
        values = [float(job.parameters[name]) for name in self._artifact.model.box.names]
        return Task(KIND, {"design": values})  # carried out here: no worker ever sees it

    def seconds(self, job: Job) -> float:
        return NOMINAL_SECONDS

    def result(self, answer: Payload) -> Result:
        if not answer["valid"]:
            return Result(
                JobState.FAILED,
                failure=FailureKind.OUT_OF_RANGE,
                reason=f"the surrogate takes this design for valid with a probability of "
                f"{answer['probability']:.3f} only",
            )
        far = "; far from all designs it was trained on" if answer["out_of_range"] else ""
        source = self._artifact.identity + far
        scalars = {
            name: Scalar(answer["mean"][name], unit, answer["sd"][name], source)
            for name, unit in self._card.metrics.items()
        }
        return Result(JobState.FINISHED, scalars)

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """The predictions themselves; None where a setting is none of a surrogate's."""
        names = self._artifact.model.box.names
        if any(not all(name in one for name in names) for one in settings):
            return None
        return [
            self._own.foretold([float(one[name]) for name in names])["mean"] for one in settings
        ]


class _Here:
    """The computer that foretells in this process, as soon as it is asked."""

    def __init__(self, model: ElectrodeModel, level: float) -> None:
        self._model = model
        self._level = level
        self._tasks: dict[str, Task] = {}

    def start(self, key: str, task: Task) -> None:
        self._tasks.setdefault(key, task)

    def result(self, key: str) -> Payload:
        return self.foretold(self._tasks[key].payload["design"])

    def cancel(self, key: str) -> None:
        self._tasks.pop(key, None)

    def close(self) -> None:
        self._tasks.clear()

    def foretold(self, design: Sequence[float]) -> dict[str, Any]:
        """One design by itself: the same bits whatever else is asked."""
        found: Prediction = self._model.predict(np.array([design], dtype=np.float64), self._level)
        return {
            "valid": bool(found.valid[0]),
            "probability": float(found.probability[0]),
            "out_of_range": bool(found.out_of_range[0]),
            "mean": {name: float(values[0]) for name, values in found.mean.items()},
            "sd": {name: float(values[0]) for name, values in found.sd.items()},
        }


def _card(options: ElectrodeOptions, model: ElectrodeModel) -> Card:
    settings = tuple(SettingCard(a.name, a.unit, a.low, a.high) for a in model.box.axes)
    return Card(
        kind=KIND,
        settings=settings,
        metrics=dict(model.units),
        channels=options.channels,
        series=False,
        repeatable=True,
        abortable=True,
        simulated=True,
    )
