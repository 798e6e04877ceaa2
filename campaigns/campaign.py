"""A campaign: loaded from a file or the store, validated, frozen, identified by a digest."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from campaigns.checks import (
    Known,
    build_constraints,
    build_objectives,
    kind_mistakes,
    outcome_mistakes,
    structured,
    target_mistakes,
)
from campaigns.fidelities import Fidelity, build_check, build_fidelities, fidelity_mistakes
from campaigns.objective import Objective, OutcomeConstraint
from campaigns.override import literal, overridden
from campaigns.problems import CampaignError, listed, nearest, unknown
from campaigns.records import NOTHING, FailureKind
from campaigns.schema import (
    Budget,
    CampaignFile,
    EarlyPredictionSpec,
    ExecutionSpec,
    FailureRule,
    InstrumentSpec,
    OptimizerSpec,
    RecommendSpec,
    RivalSpec,
    StepSpec,
    TrainingSpec,
)
from campaigns.space import Space
from campaigns.space_table import build_space
from campaigns.start import Measured, StartSpec, build_start
from campaigns.steps import Step, build_steps

__all__ = [
    "Budget", "Campaign", "CampaignError", "EarlyPredictionSpec", "ExecutionSpec", "FailureRule",
    "Fidelity", "InstrumentSpec", "Known", "Measured", "OptimizerSpec", "RecommendSpec",
    "RivalSpec", "StartSpec", "Step", "StepSpec", "TrainingSpec", "literal", "load", "parse",
    "schema", "shipped",
]  # fmt: skip

LARGEST_FILE = 64 << 20  # bytes: a campaign carries its files along

CHANGEABLE = (
    *(f"budget.{name}" for name in Budget.model_fields),
    *(f"execution.{name}" for name in ExecutionSpec.model_fields),
)


@dataclass(frozen=True, eq=False)
class Campaign:
    """A whole validated campaign. Two are equal when their text and files are (`digest`)."""

    name: str
    description: str
    seed: int
    space: Space
    objectives: tuple[Objective, ...]
    constraints: tuple[OutcomeConstraint, ...]
    optimizer: OptimizerSpec
    recommend: RecommendSpec
    steps: tuple[Step, ...]  # at least one; a campaign with [instrument] has one without a name
    fidelities: tuple[Fidelity, ...]  # cheaper stand-ins for the one [instrument]
    check: Step | None  # what measures the final recommendation again
    early_prediction: EarlyPredictionSpec | None
    failures: Mapping[FailureKind, FailureRule]
    start: StartSpec
    execution: ExecutionSpec
    bench: Mapping[str, RivalSpec]  # optimisers with options, by the name a bench calls them
    budget: Budget
    text: str  # the TOML text, overrides applied, otherwise as written
    files: Mapping[str, bytes]  # content of every file the text names, by the name as written
    digest: str  # sha256 over text and files

    @property
    def instrument(self) -> InstrumentSpec:
        """The instrument that trials come to first; the only one where there are no steps."""
        return self.steps[0].instrument

    @property
    def instruments(self) -> tuple[Step, ...]:
        """Every instrument of the campaign: on the way of its trials, then those beside it."""
        beside = () if self.check is None else (self.check,)
        return (*self.steps, *self.fidelities, *beside)

    def way(self, fidelity: str) -> tuple[Step, ...]:
        """The instruments that a trial of this fidelity passes. Raises KeyError for an unknown."""
        if not fidelity:
            return self.steps
        for step in self.instruments[len(self.steps) :]:
            if step.name == fidelity:
                return (step,)
        raise KeyError(fidelity)

    def cost(self, fidelity: str) -> float:
        """What a trial costs, in trials of the instrument; the final check costs nothing."""
        if not fidelity:
            return 1.0
        return {one.name: one.cost for one in self.fidelities}.get(fidelity, 0.0)

    def changed(self, path: str, value: Any) -> Campaign:
        """The campaign with another budget, number of channels or place of computing (None takes
        a value away). Raises CampaignError for any other path and for values not allowed."""
        allowed = self._changeable()
        if path not in allowed:
            what = unknown("change", path, allowed)
            raise CampaignError([f"{path}: cannot be changed once the campaign runs; {what}"])
        changes = {path: value}
        if path == "execution.kind" and value != "dask":
            changes["execution.address"] = None  # it belongs to the cluster that is left
        return replace(parse(self.text, self.files, changes), space=self.space)

    def _changeable(self) -> tuple[str, ...]:
        """Paths that may change; the channels of a step are `steps.0.channels`."""
        if not self.steps[0].name:
            cheaper = (f"fidelities.{i}.channels" for i in range(len(self.fidelities)))
            return (*CHANGEABLE, "instrument.channels", *cheaper)
        return (*CHANGEABLE, *(f"steps.{i}.channels" for i in range(len(self.steps))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Campaign) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def load(
    name_or_path: str, overrides: Mapping[str, Any] = NOTHING, known: Known | None = None
) -> Campaign:
    """The campaign shipped under a name, or in the file at a path.

    `overrides` maps paths such as `budget.trials` to new values; files that these name are looked
    for in the working folder first, all others beside the campaign file. `known` tells which kinds
    exist for the sections `optimizer`, `instrument` and `early_prediction`. Raises CampaignError
    with all mistakes, one line each, every line starting with the file.
    """
    source, folder, content = _read(name_or_path)
    try:
        text = _decoded(content)
        if overrides:
            _tables(text)
            text = overridden(text, overrides)
        files, missing = _gathered(_tables(text), folder, _given_files(overrides))
        return _parsed(text, files, known, missing)
    except CampaignError as error:
        raise error.within(f"{source}: ") from None


def parse(
    text: str,
    files: Mapping[str, bytes] = NOTHING,
    overrides: Mapping[str, Any] = NOTHING,
    known: Known | None = None,
) -> Campaign:
    """The campaign of a TOML text and the files it names, without any access to the disk.
    Raises CampaignError with all mistakes."""
    if overrides:
        _tables(text)
        text = overridden(text, overrides)
    missing = [
        f"{key}: '{name}' is not among the campaign's files"
        for key, name in _named_files(_tables(text))
        if name not in files
    ]
    return _parsed(text, files, known, missing)


def shipped() -> tuple[str, ...]:
    """Names of the campaigns that come with Leyden."""
    found = (Path(item.name) for item in resources.files("campaigns").joinpath("library").iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".toml"))


def schema() -> dict[str, Any]:
    """The JSON Schema of a campaign file, for editors."""
    described = CampaignFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _read(name_or_path: str) -> tuple[str, Any, bytes]:
    """How to call the file in messages, the folder it lies in, and its content."""
    if re.fullmatch(r"[\w-]+", name_or_path) and not Path(name_or_path).is_file():
        if name_or_path not in shipped():
            guess = nearest(name_or_path, shipped())
            hint = f"; did you mean '{guess}'?" if guess else ""
            raise CampaignError(
                [f"{name_or_path}: no such file or shipped campaign; shipped: "
                 f"{listed(shipped())}{hint}"]
            )  # fmt: skip
        folder = resources.files("campaigns").joinpath("library")
        return name_or_path, folder, folder.joinpath(f"{name_or_path}.toml").read_bytes()
    path = Path(name_or_path)
    try:
        return name_or_path, path.parent, _content(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CampaignError([f"{name_or_path}: cannot be read: {reason}"]) from None


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CampaignError([f"line {line}: not UTF-8 (byte {error.start})"]) from None


def _tables(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (.*)\)", str(error), re.DOTALL)
        what, place = match.groups() if match else (str(error), "")
        place = place or "somewhere"
        raise CampaignError([f"{place}: not TOML: {what}"]) from None
    except (RecursionError, ValueError) as error:
        raise CampaignError([f"not TOML: {error}"]) from None


def _named_files(tables: Mapping[str, Any] | list[Any]) -> Iterable[tuple[str, str]]:
    """Key and name of every file the campaign names: `file = "…"` in any table, and
    `start.results`."""
    stack: list[tuple[str, Any]] = [("", tables)]
    while stack:
        where, here = stack.pop()
        if isinstance(here, dict):
            for key, inner in here.items():
                way = f"{where}.{key}" if where else key
                if (key == "file" or way == "start.results") and isinstance(inner, str):
                    yield way, inner
                stack.append((way, inner))
        elif isinstance(here, list):
            stack.extend((f"{where}[{i}]", inner) for i, inner in enumerate(here))


def _given_files(overrides: Mapping[str, Any]) -> frozenset[str]:
    """Names of the files that overrides name."""
    found = [
        str(value)
        for path, value in overrides.items()
        if path.rpartition(".")[2] == "file" or path == "start.results"
    ]
    tables = [value for value in overrides.values() if isinstance(value, dict | list)]
    return frozenset([*found, *(name for table in tables for _, name in _named_files(table))])


def _gathered(
    tables: Mapping[str, Any], folder: Any, given: Collection[str]
) -> tuple[dict[str, bytes], list[str]]:
    """The content of every named file, relative to the campaign's folder, and what is missing;
    those `given` by hand are relative to the working folder where they are there."""
    files: dict[str, bytes] = {}
    missing = []
    for key, name in _named_files(tables):
        here = Path(name)
        try:
            files[name] = _content(
                here if name in given and here.exists() else folder.joinpath(name)
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            missing.append(f"{key}: '{name}' cannot be read: {reason}")
    return files, missing


def _content(path: Any) -> bytes:
    """The content of a regular file of bounded size. Raises OSError, ValueError."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        content: bytes = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE >> 20} MiB")
    return content


def _parsed(
    text: str, files: Mapping[str, bytes], known: Known | None, missing: Collection[str]
) -> Campaign:
    tables = _tables(text)
    sections, mistakes, broken = structured(tables)
    mistakes += [*missing, *kind_mistakes(sections, known or {}), *outcome_mistakes(sections)]
    objectives = build_objectives(sections, files, mistakes)
    constraints = build_constraints(sections, mistakes)
    mistakes += target_mistakes(objectives, constraints)
    steps = build_steps(sections.get("instrument"), sections.get("steps"), mistakes)
    if not {"instrument", "steps"} & tables.keys():
        mistakes.append("instrument: is missing; [instrument] or [[steps]] is needed")
    specs, recommend = sections.get("fidelities", ()), sections.get("recommend")
    early = sections.get("early_prediction")
    mistakes += fidelity_mistakes(specs, recommend, early, steps="steps" in tables)
    space: Space | None = None
    start = StartSpec()
    try:
        if "space" in sections:
            space = build_space(sections["space"], files, broken)
        if "start" in sections and space is not None:
            outcomes: Outcomes = (*objectives, *constraints)
            complete = len(outcomes) == _entries(tables, "objectives", "constraints")
            start = build_start(sections["start"], files, space, outcomes if complete else None)
    except CampaignError as error:
        mistakes += error.problems
    if mistakes or space is None:
        raise CampaignError(mistakes)
    return Campaign(
        **{name: sections[name] for name in _COPIED},
        space=space,
        steps=steps,
        fidelities=build_fidelities(specs),
        check=build_check(recommend),
        objectives=objectives,
        constraints=constraints,
        failures=MappingProxyType(dict(sections["failures"].rules())),
        start=start,
        text=text,
        files=MappingProxyType(dict(files)),
        digest=_digest(text, files),
    )


def _entries(tables: Mapping[str, Any], *names: str) -> int:
    given = [tables.get(name) for name in names]
    return sum(len(entries) for entries in given if isinstance(entries, list))


Outcomes: TypeAlias = tuple[Objective | OutcomeConstraint, ...]

_COPIED = (
    "name", "description", "seed", "optimizer", "recommend", "early_prediction",
    "execution", "bench", "budget",
)  # fmt: skip


def _digest(text: str, files: Mapping[str, bytes]) -> str:
    """sha256 over the text and the files in the order of their names, each with its length."""
    total = hashlib.sha256()
    for name, content in [("", text.encode()), *sorted(files.items())]:
        total.update(f"{len(name.encode())} {name} {len(content)} ".encode() + content)
    return total.hexdigest()
