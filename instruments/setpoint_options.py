"""What the options of both set-point adapters have in common."""

from __future__ import annotations

from collections.abc import Mapping


def one_channel(channels: int) -> None:
    """Raises ValueError for any other number."""
    if channels != 1:
        raise ValueError(
            f"channels: {channels} is not allowed; a map describes one device, which is 1"
        )


def content(file: str, files: Mapping[str, bytes]) -> bytes:
    """The map's text. Raises ValueError where the campaign does not carry the file."""
    if file not in files:
        given = ", ".join(files) or "none"
        raise ValueError(f"instrument.options.file: {file!r} was not given; files given: {given}")
    return files[file]
