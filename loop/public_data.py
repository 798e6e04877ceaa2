"""Public data sets: which files there are, where from, and fetching them with their checksums."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "https://raw.githubusercontent.com/"
TIMEOUT_S = 30.0
RETRIES = 2  # of a connection that is refused
WEB = ("http://", "https://")
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file: its place in the folder, its size, its SHA-256, and its place at the source."""

    path: str
    bytes: int
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """How many files a call has fetched, and how many were there already."""

    fetched: int
    kept: int
    bytes: int


class FetchFailed(Exception):
    """The network, the mirror or a checksum is at fault; what was fetched before is kept."""


def known() -> list[str]:
    """Names of the data sets."""
    names = (item.name for item in resources.files("loop").joinpath("public").iterdir())
    return sorted(name.removesuffix(".csv") for name in names if name.endswith(".csv"))


def files(name: str) -> list[PublicFile]:
    """The files of a data set. Raises KeyError for a name that is not known."""
    if name not in known():
        raise KeyError(name)
    text = resources.files("loop").joinpath("public", f"{name}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [PublicFile(r["path"], int(r["bytes"]), r["sha256"], r["source"]) for r in rows]


def fetch(name: str, folder: Path, mirror: str | None = None, tell: Tell | None = None) -> Fetched:
    """Bring the files of a data set into ``folder``; those that are there and right are kept.

    ``mirror`` is a folder, or the URL of one, with the same files under the same paths; None is the
    public source. Each file is written beside its place, checked, and only then put there, so that
    a call that ends early leaves nothing half-written. ``tell`` hears how many files of how many
    are done. Raises FetchFailed where the source gives no file or another one; ValueError where the
    folder cannot be written, or holds a file of that name with other content.
    """
    import pooch

    wanted = files(name)
    source = _source(mirror)
    _check_folder(folder)
    missing = [one for one in wanted if not _there(folder, one)]
    keeper = pooch.create(
        path=folder,
        base_url="",
        registry={one.path: one.sha256 for one in wanted},
        urls={one.path: source(one) for one in wanted},
    )
    kept = len(wanted) - len(missing)
    with _quiet(), _downloader() as download:
        for done, one in enumerate(missing):
            if tell is not None:
                tell(kept + done, len(wanted))
            _fetch_one(keeper, one, source(one), download)
    if tell is not None:
        tell(len(wanted), len(wanted))
    return Fetched(len(missing), kept, sum(one.bytes for one in missing))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what pooch logs of each file."""
    import pooch

    log = pooch.get_logger()
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _fetch_one(keeper: Any, one: PublicFile, url: str, download: Callable[..., None]) -> None:
    try:
        keeper.fetch(one.path, downloader=download)
    except OSError as error:
        raise ValueError(f"{keeper.path}/{one.path}: {error.strerror or error}") from error
    except ValueError as error:  # what pooch raises for a wrong checksum
        raise FetchFailed(
            f"{url}: the file does not have the checksum of {one.path} (SHA-256 {one.sha256}); "
            "it was not kept"
        ) from error


def _check_folder(folder: Path) -> None:
    """Raises ValueError where files cannot be put into the folder; makes it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{folder}: a file is in the way of the folder") from error
    except OSError as error:
        raise ValueError(f"{folder}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{folder}: cannot be written to")


def _there(folder: Path, one: PublicFile) -> bool:
    """True if the file is there. Raises ValueError where another one has its name."""
    import pooch

    path = folder / one.path
    if not path.exists():
        return False
    try:
        same = path.is_file() and pooch.file_hash(str(path)) == one.sha256
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    if not same:
        raise ValueError(
            f"{path} is there already with other content; move it away, or name another folder"
        )
    return True


def _source(mirror: str | None) -> Callable[[PublicFile], str]:
    """Where a file is: a URL, or the path of a file. Raises ValueError."""
    if mirror is None:
        return lambda one: HOST + one.source
    if mirror.startswith(WEB) and urlsplit(mirror).netloc:
        return lambda one: f"{mirror.rstrip('/')}/{one.path}"
    if "://" in mirror:
        raise ValueError(f"{mirror}: a folder, or a URL with http or https, is needed")
    if not Path(mirror).is_dir():
        raise ValueError(f"{mirror}: there is no such folder")
    return lambda one: str(Path(mirror) / one.path)


@contextmanager
def _downloader() -> Iterator[Callable[..., None]]:
    """What pooch calls to bring a file from its source to a temporary place."""
    import httpx

    with httpx.Client(
        timeout=TIMEOUT_S,
        follow_redirects=True,
        transport=httpx.HTTPTransport(retries=RETRIES),
    ) as client:

        def download(url: str, output: str, pooch: Any) -> None:
            if not url.startswith(WEB):
                _copy(url, output)
                return
            try:
                with client.stream("GET", url) as answer, open(output, "wb") as file:
                    answer.raise_for_status()
                    for piece in answer.iter_bytes():
                        file.write(piece)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise FetchFailed(f"{url}: {_reason(error)}") from error

        yield download


def _copy(source: str, output: str) -> None:
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise FetchFailed(f"{source}: {error.strerror}") from error
    Path(output).write_bytes(content)


def _reason(error: Exception) -> str:
    """What went wrong on the network, in our own words where there are some."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_S:g} s"
    return f"the server cannot be reached, or broke off ({str(error) or type(error).__name__})"
