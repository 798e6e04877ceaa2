"""The instruments that every trial of a campaign passes, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.expression import ExpressionError, parse
from campaigns.records import NOTHING
from campaigns.schema import InstrumentSpec, StepSpec


@dataclass(frozen=True)
class Step:
    """One instrument on a trial's way.

    name:   "" in a campaign with one instrument
    inputs: settings of the instrument by name, each a formula over the parameters and what earlier
            steps measured, both in the campaign's units; it gives the instrument's unit
    """

    name: str
    instrument: InstrumentSpec
    inputs: Mapping[str, str] = field(default_factory=lambda: NOTHING)


def build_steps(
    instrument: InstrumentSpec | None, steps: Sequence[StepSpec] | None, mistakes: list[str]
) -> tuple[Step, ...]:
    """The steps of a campaign: one for `[instrument]`, else those of `[[steps]]`.

    What is wrong is added to `mistakes`.
    """
    mistakes += _mistakes(instrument, steps)
    if instrument is not None:
        return (Step("", instrument),)
    return tuple(
        Step(
            one.name,
            InstrumentSpec(**{name: getattr(one, name) for name in InstrumentSpec.model_fields}),
            dict(one.inputs),
        )
        for one in steps or ()
    )


def in_words(steps: Sequence[Step]) -> str:
    """`table, 5 channels`; with steps `coat: coater.simulated, 1 channel; cycle: …`."""
    return "; ".join(
        f"{step.name}: " * bool(step.name)
        + f"{step.instrument.kind}, {step.instrument.channels} channel"
        + "s" * (step.instrument.channels != 1)
        for step in steps
    )


def _mistakes(instrument: InstrumentSpec | None, steps: Sequence[StepSpec] | None) -> Iterable[str]:
    if instrument is not None and steps is not None:
        yield "steps: the campaign has an [instrument] already; one of both is needed"
    for i, one in enumerate(steps or ()):
        if one.name in [other.name for other in (steps or ())[:i]]:
            yield f"steps[{i}].name: '{one.name}' is the name of an earlier step"
        for setting, formula in one.inputs.items():
            try:
                parse(formula)
            except ExpressionError as error:
                yield f"steps[{i}].inputs.{setting}: {error}"
