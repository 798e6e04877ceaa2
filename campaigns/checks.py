"""From the tables of a campaign file to checked sections, gathering every mistake on the way."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from campaigns.findings import lines, path
from campaigns.objective import Objective, OutcomeConstraint
from campaigns.problems import CampaignError, unknown
from campaigns.schema import CampaignFile, InstrumentSpec, ObjectiveTable, TargetTable
from campaigns.target import Target, build_target

Known: TypeAlias = Mapping[str, Collection[str]]  # section of the file to the kinds it may name
Sections: TypeAlias = Mapping[str, Any]  # name to validated model; broken sections are left out


def structured(tables: Mapping[str, Any]) -> tuple[Sections, list[str], list[str]]:
    """The validated sections, the mistakes in structure, and the names of parameters and derived
    values that are broken. What a mistake does not touch stays, so that it can be checked on."""
    try:
        file = CampaignFile.model_validate(tables)
    except ValidationError as error:
        places = [
            (one["loc"], one["type"] == "extra_forbidden")
            for one in error.errors(include_url=False, include_context=False)
        ]
        sound, broken = _sound(tables, places)
        return _sections(sound), lines(error, CampaignFile, tables), broken
    return {name: getattr(file, name) for name in CampaignFile.model_fields}, [], []


def _sound(
    tables: Mapping[str, Any], places: Iterable[tuple[Sequence[int | str], bool]]
) -> tuple[dict[str, Any], list[str]]:
    """`tables` without the parts at which something is wrong."""
    sound = copy.deepcopy(dict(tables))
    broken: list[str] = []
    for place, extra in places:
        if extra:
            _taken_out(sound, place)
        elif place[:2] in (("space", "parameters"), ("space", "derived")) and len(place) > 2:
            _taken_out(sound, place[:3])
            broken.append(str(place[2]))
        elif place[0] == "space" and len(place) > 2:
            _taken_out(sound, place[:2])
        elif place:
            sound.pop(str(place[0]), None)
    return sound, broken


def _taken_out(tables: dict[str, Any], place: Sequence[int | str]) -> None:
    here: Any = tables
    for part in place[:-1]:
        here = here.get(part) if isinstance(here, dict) else _item(here, part)
    if isinstance(here, dict):
        here.pop(place[-1], None)


def _item(here: Any, part: int | str) -> Any:
    inside = isinstance(here, list) and isinstance(part, int) and part < len(here)
    return here[part] if inside else None


def _sections(tables: Mapping[str, Any]) -> Sections:
    found = {}
    for name, field in CampaignFile.model_fields.items():
        try:
            if name in tables:
                section = TypeAdapter[Any](field.annotation or Any)
                found[name] = section.validate_python(tables[name])
        except ValidationError:
            continue  # already told
    return found


def kind_mistakes(sections: Sections, known: Known) -> Iterable[str]:
    """Kinds of parts that nobody knows."""
    for where, spec in _further_instruments(sections):
        kinds = known.get("instrument")
        if kinds is not None and spec.kind not in kinds:
            yield f"{where}.kind: '{spec.kind}': {unknown('kind', spec.kind, kinds)}"
    for name, kinds in known.items():
        part = sections.get(name)
        if part is not None and part.kind not in kinds:
            yield f"{name}.kind: '{part.kind}': {unknown('kind', part.kind, kinds)}"
    for name, rival in sections.get("bench", {}).items():
        if "optimizer" in known and rival.kind not in known["optimizer"]:
            what = unknown("kind", rival.kind, known["optimizer"])
            yield f"{path(['bench', name, 'kind'])}: '{rival.kind}': {what}"


def _further_instruments(sections: Sections) -> Iterable[tuple[str, InstrumentSpec]]:
    """Every instrument that is not `[instrument]`, and where it stands."""
    for section in ("steps", "fidelities"):
        for i, spec in enumerate(sections.get(section) or ()):
            yield f"{section}[{i}]", spec
    recommend = sections.get("recommend")
    if recommend is not None and recommend.check is not None:
        yield "recommend.check", recommend.check


def outcome_mistakes(sections: Sections) -> Iterable[str]:
    """Metrics named twice, and an early prediction that has nothing to predict from."""
    for section in ("objectives", "constraints"):
        metrics = [one.metric for one in sections.get(section, ())]
        for i, metric in enumerate(metrics):
            if metric in metrics[:i]:
                yield f"{section}[{i}].metric: '{metric}' is already named in {section}"
    instrument = sections.get("instrument")
    if sections.get("early_prediction") and instrument and instrument.kind == "table":
        yield "early_prediction: the table instrument gives no series to predict from"


def build_objectives(
    sections: Sections, files: Mapping[str, bytes], mistakes: list[str]
) -> tuple[Objective, ...]:
    """The objectives; what is wrong with them is added to `mistakes`."""
    found = []
    for i, one in enumerate(sections.get("objectives", ())):
        try:
            found.append(Objective(one.metric, one.goal, one.unit, _target(one, files)))
        except CampaignError as error:
            mistakes += error.within(f"objectives[{i}].target: ").problems
        except ValueError as error:
            mistakes.append(f"objectives[{i}].{error}")
    return tuple(found)


def target_mistakes(
    objectives: Sequence[Objective], constraints: Sequence[OutcomeConstraint]
) -> Iterable[str]:
    """A discrepancy called like a measured value, and values of a target in two units."""
    aimed = {
        aim.metric: (f"objectives[{i}].target", aim.unit)
        for i, one in enumerate(objectives)
        if one.curve is not None
        for aim in one.curve.aims
    }
    for i, one in enumerate(objectives):
        if one.curve is not None and one.metric in aimed:
            yield f"objectives[{i}].metric: '{one.metric}' is measured; name the discrepancy apart"
    named = [(f"objectives[{i}]", o.metric, o.unit) for i, o in enumerate(objectives)]
    named += [(f"constraints[{i}]", c.metric, c.unit) for i, c in enumerate(constraints)]
    named += [
        (f"objectives[{i}].target", aim.metric, aim.unit)
        for i, one in enumerate(objectives)
        if one.curve is not None
        for aim in one.curve.aims
    ]
    for where, metric, unit in named:
        there, other = aimed.get(metric, (where, unit))
        if unit != other:
            yield f"{where}: {metric} is in '{unit}' here, in '{other}' in {there}; one is needed"


def _target(one: ObjectiveTable, files: Mapping[str, bytes]) -> float | Target | None:
    if isinstance(one.target, TargetTable):
        return build_target(one.target, files)
    return one.target


def build_constraints(sections: Sections, mistakes: list[str]) -> tuple[OutcomeConstraint, ...]:
    """The bounds on outcomes; what is wrong with them is added to `mistakes`."""
    found = []
    for i, one in enumerate(sections.get("constraints", ())):
        try:
            found.append(OutcomeConstraint(one.metric, one.at_least, one.at_most, one.unit))
        except ValueError as error:
            mistakes.append(f"constraints[{i}]: {error}")
    return tuple(found)
