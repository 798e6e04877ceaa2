"""One evaluation in one short-lived process: whatever happens to it, an answer comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from campaigns.records import FailureKind
from instruments.cgmd import shared_memory
from instruments.computing import Payload

TARGET: Final = "instruments.cgmd.evaluation:evaluate"
_ROOT = Path(__file__).resolve().parents[2]
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NAMES = {one.value: one.name for one in signal.Signals}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def evaluate(payload: Payload) -> Payload:
    """Run the simulation that `payload` describes (JSON; see instrument.py).

    Returns {"ok": True, "identity": text, "scalars": {metric: [value, sd or None]}}, or
    {"ok": False, "kind": value of a FailureKind, "reason": one line}.
    Raises only what the operating system does when no process can be started at all.
    """
    with tempfile.TemporaryDirectory(prefix="cgmd-") as folder:
        command = [sys.executable, "-P", "-m", "instruments.cgmd.child", str(os.getpid())]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,  # Ctrl-C in a terminal is meant for who asked, not for it
        ) as child:
            try:
                output, errors = child.communicate(json.dumps(dict(payload)), payload["timeout_s"])
            except subprocess.TimeoutExpired:
                return failed(
                    FailureKind.CHANNEL_FAULT,
                    f"no answer from the simulation within {payload['timeout_s']:g} s",
                )
            finally:
                child.kill()
                child.wait()
                shared_memory.remove(child.pid)
    return ended(child.returncode, errors, payload) if child.returncode else answered(output)


def failed(kind: FailureKind, reason: str) -> Payload:
    """An evaluation without numbers."""
    return {"ok": False, "kind": kind.value, "reason": reason}


def answered(text: str) -> Payload:
    """What a process that exited with 0 wrote, or that it wrote nothing of use."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        return failed(FailureKind.DATA_GAP, "the simulation ended without an answer")
    return answer


def ended(code: int, errors: str, payload: Payload) -> Payload:
    """Why a process that did not exit with 0 ended."""
    if -code in _FROM_OUTSIDE:
        return failed(FailureKind.CHANNEL_FAULT, "the simulation process was killed")
    if code == -signal.SIGXCPU:
        limit = payload["cpu_limit_s"]
        return failed(
            FailureKind.NOT_CONVERGED, f"the simulation took more than {limit} s of CPU time"
        )
    if code < 0:
        name = _NAMES.get(-code, f"signal {-code}")
        return failed(FailureKind.NOT_CONVERGED, f"the simulation crashed with {name}")
    last = errors.strip().rpartition("\n")[2]
    return failed(
        FailureKind.CHANNEL_FAULT, f"the simulation did not run: {last or f'code {code}'}"
    )


def _environment(folder: str) -> Mapping[str, str]:
    """One thread, this very package, scratch files in `folder`, and no traces of an outer MPI."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PMI")}
    paths = [str(_ROOT), *filter(None, [mine.get("PYTHONPATH", "")])]
    return {
        **mine,
        **dict.fromkeys(_THREADS, "1"),
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": folder,
    }
