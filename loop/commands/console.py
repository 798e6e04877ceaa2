"""What every command shares: its options, its output, and how its errors end the program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loop.store.store import Store

DEFAULT_STORE = "sqlite:///leyden.db"
IN_MEMORY = frozenset(
    kind + place
    for kind in ("sqlite://", "sqlite+pysqlite://")
    for place in ("", "/", ":memory:", "/:memory:")
) | {"", ":memory:"}
PLAIN_WIDTH = 120  # columns of a page that goes into a file or a pipe

StoreUrl = Annotated[
    str,
    typer.Option("--store", envvar="LEYDEN_STORE", metavar="URL", help="Where campaigns are kept."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="TOML value, else a string; repeatable."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="Option of the instrument; repeatable."),
]
CampaignId = Annotated[str, typer.Argument(metavar="ID", help="A campaign of the store.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")]


class BadInput(ValueError):
    """What the caller gave cannot be used: exit code 2, one line a problem."""


class Failed(Exception):
    """The work itself failed, diverged or is damaged: exit code 1."""


class Resumable(Exception):
    """Interrupted by a signal; the message says how to go on. Exit code 130."""


# input ---------------------------------------------------------------------------------------


def pairs(given: Sequence[str] | None, option: str = "--set") -> dict[str, Any]:
    """`NAME=VALUE` arguments as a mapping. Raises BadInput without `=`, for a name given twice."""
    from campaigns.override import literal

    found: dict[str, Any] = {}
    for text in given or ():
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise BadInput(f"{option} {text}: NAME=VALUE is needed")
        if name.strip() in found:
            raise BadInput(f"{option} {text}: {name.strip()} is given twice")
        found[name.strip()] = literal(value.strip())
    return found


@contextmanager
def as_bad_input() -> Iterator[None]:
    """ValueErrors of the block are the caller's mistakes; a CampaignError says so itself."""
    from campaigns.problems import CampaignError

    try:
        yield
    except CampaignError:
        raise
    except ValueError as error:
        raise BadInput(str(error)) from error


@contextmanager
def reading(url: str) -> Iterator[Store]:
    """The store that is there, to read from. Raises StoreError; BadInput where it is none."""
    from loop.store.store import Store

    with _opening(url, lambda: Store.open(url, create=False, read_only=True)) as store:
        yield store


@contextmanager
def writing(url: str, *, create: bool = False) -> Iterator[Store]:
    """The store to write to. Raises StoreError; BadInput where it is none."""
    from loop.store.store import Store

    with _opening(url, lambda: Store.open(url, create=create)) as store:
        yield store


def _opening(url: str, make: Callable[[], Store]) -> Store:
    """A file that is no store is the caller's mistake; damage found later is not."""
    from loop.store.errors import NoStore

    if url in IN_MEMORY:
        raise BadInput(
            f"--store {url}: a store in memory is lost when the command ends; "
            "name a file: sqlite:///PATH"
        )
    try:
        return make()
    except NoStore as error:
        raise BadInput(str(error)) from error


def command_line(url: str, *words: str) -> str:
    """`leyden resume hill-1 --store URL`: a line to be copied and pasted into a shell."""
    from shlex import join

    return f"leyden {join(words)}{_store_option(url)}"


def _store_option(url: str) -> str:
    """The option that reaches the store; "" where the default does."""
    from shlex import quote

    default = os.environ.get("LEYDEN_STORE") or DEFAULT_STORE
    return "" if url == default else f" --store {quote(url)}"


# output --------------------------------------------------------------------------------------


def emit(text: str) -> None:
    """Write a line or a page to standard output; a reader that has gone away is no error."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_json(answer: Mapping[str, Any]) -> None:
    """Write the one JSON object of a command."""
    emit(json.dumps(answer, allow_nan=False))


def note(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def page(*parts: RenderableType) -> None:
    """Write rich renderables to standard output, in colour where it is a terminal."""
    from io import StringIO

    from rich.console import Console

    terminal = sys.stdout.isatty()
    buffer = StringIO()
    console = Console(
        file=buffer,
        force_terminal=terminal,
        width=None if terminal else PLAIN_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    emit("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    """A plain table; a column whose name begins with `>` is set flush right."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
        pad_edge=False,
    )  # fmt: skip
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        made.add_row(*row)
    return made
