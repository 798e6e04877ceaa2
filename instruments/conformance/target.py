"""The adapter that `mypkg:MyCoater` names, and the bench it brings along."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from campaigns.records import NOTHING
from instruments import registry
from instruments.base import Instrument
from instruments.conformance.bench import Bench

CALLS = ("open", "describe", "check", "submit", "poll", "fetch", "abort", "find", "truth", "close")
OFFER, BESIDE = "conformance", "_bench"


class TargetError(ValueError):
    """No adapter can be had by that name, or it brings no bench along: one clear line."""


def adapter_of(name: str, folder: Path | None = None) -> type[Instrument]:
    """The class that `mypkg.module:Class`, or a registered kind, names.

    folder: where modules are looked for first, beside the usual places. Raises TargetError.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    found = _named(name)
    if not isinstance(found, type):
        raise TargetError(f"{name}: is a {type(found).__name__}; a class is needed")
    missing = [call for call in CALLS if not callable(getattr(found, call, None))]
    if missing:
        raise TargetError(f"{name}: has no {', no '.join(missing)}; an instrument needs them")
    if not isinstance(getattr(found, "simulated", None), bool):
        raise TargetError(f"{name}: has no `simulated: ClassVar[bool]`, which decides on its clock")
    adapter: type[Instrument] = found
    return adapter


def bench_of(adapter: type[Instrument], options: Mapping[str, Any] = NOTHING) -> Bench:
    """What the class, its module, or the module MODULE_bench offers as `conformance`: a Bench or
    a function making one.

    options: laid over the bench's. Raises TargetError.
    """
    name = f"{adapter.__module__}:{adapter.__qualname__}"
    offered = _offered(adapter)
    if offered is None:
        raise TargetError(
            f"{name}: has no bench: {OFFER}() on the class, in its module or in a module "
            f"{adapter.__module__}{BESIDE} must return one"
        )
    try:
        bench = offered() if callable(offered) else offered
    except Exception as error:  # foreign code: its error is the caller's to read
        raise TargetError(f"{name}: {OFFER}() raised {_line(error)}") from error
    if not isinstance(bench, Bench):
        raise TargetError(f"{name}: {OFFER}() gave a {type(bench).__name__}; a Bench is needed")
    return replace(bench, options={**bench.options, **options})


def _offered(adapter: type[Instrument]) -> object:
    beside = f"{adapter.__module__}{BESIDE}"
    places: list[object] = [adapter, sys.modules[adapter.__module__]]
    if find_spec(beside) is not None:
        places.append(import_module(beside))
    offers = (getattr(place, OFFER, None) for place in places)
    return next((offer for offer in offers if offer is not None), None)


def _named(name: str) -> object:
    module, colon, attribute = name.partition(":")
    try:
        if not colon and name in registry.known():
            return registry.target(name)
        if not (colon and module and attribute):
            raise TargetError(f"{name}: mypkg.module:Class, or a registered kind, is needed")
        found: object = import_module(module)
    except TargetError:
        raise
    except Exception as error:  # foreign code: its error is the caller's to read
        raise TargetError(f"{name}: cannot be imported: {_line(error)}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{name}: {module} has no {attribute}")
        found = getattr(found, part)
    return found


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
