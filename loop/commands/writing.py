"""Files that commands write: told before the work whether it can be, and whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from loop.commands.console import BadInput


def written(path: Path, content: bytes) -> None:
    """Replace the file in one step: a reader never meets half of one. Raises BadInput."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadInput(f"-o {path}: {error.strerror}") from error


def writable(path: Path) -> None:
    """Told before anything is computed. Raises BadInput."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        reason = "is a folder" if path.is_dir() else "there is no such folder"
        raise BadInput(f"-o {path}: {reason}")
    if not os.access(path.resolve().parent, os.W_OK):
        raise BadInput(f"-o {path}: the folder may not be written to")


def ending(path: Path, allowed: tuple[str, ...]) -> str:
    """The name's ending without its dot, and the place `writable`. Raises BadInput."""
    form = path.suffix.lower().removeprefix(".")
    if form not in allowed:
        raise BadInput(f"-o {path}: {', '.join(allowed)} can be written, by the name's ending")
    writable(path)
    return form
