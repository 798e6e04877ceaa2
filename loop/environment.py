"""What a campaign ran on: package versions, interpreter, host, revision."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "leyden", "numpy", "scipy", "scikit-learn", "pandas", "torch", "gpytorch", "botorch",
    "ax-platform", "pyswarms", "sqlmodel", "sqlalchemy", "pydantic",
)  # fmt: skip


def environment() -> dict[str, str]:
    """Names and versions of everything a decision can depend on."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "host": platform.node(),
        "revision": revision(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """The git revision the program runs from, or "" for an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
