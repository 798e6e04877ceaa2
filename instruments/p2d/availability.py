"""Is PyBaMM there? Asked cheaply, without loading it; and loaded so that it keeps to itself."""

from __future__ import annotations

import functools
import os
import warnings
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

_MISSING = "p2d needs PyBaMM: pip install 'leyden[p2d]'"
_SILENT = "PYBAMM_DISABLE_TELEMETRY"


@functools.cache  # reading metadata takes longer than half a solve with a simple model
def demand_pybamm() -> str:
    """The version of PyBaMM. Raises ValueError (one line) where it or its solvers are missing."""
    for package in ("pybamm", "pybammsolvers"):
        if find_spec(package) is None:
            raise ValueError(f"{_MISSING} (the package {package} is missing)")
    try:
        return metadata.version("pybamm")
    except metadata.PackageNotFoundError as error:
        raise ValueError(f"{_MISSING} (the package pybamm is missing)") from error


@functools.cache
def load_pybamm() -> Any:
    """The module, told before its import to send no telemetry: else it asks on standard input.

    Raises ValueError where it is missing.
    """
    demand_pybamm()
    os.environ[_SILENT] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import: deprecations between third parties
        return import_module("pybamm")
