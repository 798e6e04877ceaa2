"""How far a long piece of work is, on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def meter(title: str, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A function to be told (done, in all); None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn(what), Remaining(),
    )  # fmt: skip
    shown = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=8)
    with shown:
        task = shown.add_task(title, total=None)

        def tell(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        yield tell
