"""Compiled equations: is there a C compiler, and a folder of one's own for what it makes?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

_FOLDER: Final = "PYBAMM_CASADI_AOT_CACHE"


def demand_compiler() -> None:
    """Raises ValueError (option first) where there is no C compiler.

    What is compiled is loaded again by later processes, so it is kept where only this user may
    write: PyBaMM's own place for it is open to everybody.
    """
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        raise ValueError("compiled: true is not allowed; this machine has no C compiler")
    if _FOLDER not in os.environ:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = Path(base) / "leyden" / "p2d"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[_FOLDER] = str(folder)
