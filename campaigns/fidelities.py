"""Cheaper instruments that stand in for the campaign's own, and the one that checks its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from campaigns.schema import EarlyPredictionSpec, FidelitySpec, InstrumentSpec, RecommendSpec
from campaigns.steps import Step

CHECK = "check"  # the name of the instrument of `[recommend.check]`


@dataclass(frozen=True)
class Fidelity(Step):
    """A cheaper instrument for the same settings and metrics.

    cost: of one of its trials, where one of [instrument] costs 1
    """

    cost: float = 1.0


def build_fidelities(specs: Sequence[FidelitySpec]) -> tuple[Fidelity, ...]:
    """The fidelities of a campaign file, in its order."""
    return tuple(Fidelity(one.name, _instrument(one), cost=one.cost) for one in specs)


def build_check(recommend: RecommendSpec | None) -> Step | None:
    """What the final recommendation is measured on again, if anything."""
    spec = None if recommend is None else recommend.check
    return None if spec is None else Step(CHECK, _instrument(spec))


def fidelity_mistakes(
    specs: Sequence[FidelitySpec],
    recommend: RecommendSpec | None,
    early_prediction: EarlyPredictionSpec | None,
    *,
    steps: bool,
) -> Iterable[str]:
    """What does not go together; steps: whether the campaign has several instruments in a row."""
    if specs and steps:
        yield "fidelities: stand in for one [instrument], not for [[steps]]"
    if specs and early_prediction is not None:
        yield "fidelities: cannot be combined with early_prediction"
    for i, one in enumerate(specs):
        if one.name == CHECK or one.name in [other.name for other in specs[:i]]:
            yield f"fidelities[{i}].name: '{one.name}' is taken; another name is needed"
    if recommend is None:
        return
    if recommend.check is not None and steps:
        yield "recommend.check: checks what one [instrument] found, not [[steps]]"
    if specs and recommend.among == "space" and recommend.confirm == 0:
        yield (
            'recommend.confirm: at least 1 is needed with fidelities and among = "space", so that '
            "what is recommended has been measured on [instrument]"
        )


def _instrument(spec: InstrumentSpec) -> InstrumentSpec:
    return InstrumentSpec(**{name: getattr(spec, name) for name in InstrumentSpec.model_fields})
