"""The pytest plugin: `pytest --leyden-adapter mypkg:MyCoater` runs the suite on an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from instruments.conformance.workbench import Check, Workbench

OPTION = "--leyden-adapter"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("leyden")
    group.addoption(
        OPTION,
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="run the conformance suite of Leyden on this instrument adapter; repeatable",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without files on the command line the suite alone is run, not whatever lies around."""
    alone = config.args_source is not pytest.Config.ArgsSource.ARGS
    return True if config.getoption(OPTION) and alone else None


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose among the items
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    for name in config.getoption(OPTION):
        items += AdapterSuite.from_parent(session, name=name, nodeid=name).collect()


class AdapterSuite(pytest.Collector):
    """All checks of one adapter; the device is stopped after the last of them."""

    def collect(self) -> Iterator[pytest.Item]:
        from instruments.conformance.suite import CHECKS
        from instruments.conformance.target import TargetError, adapter_of, bench_of
        from instruments.conformance.workbench import Workbench, named

        try:
            adapter = adapter_of(self.name, self.config.invocation_params.dir)
            workbench = Workbench(adapter, bench_of(adapter))
        except TargetError as error:
            raise pytest.UsageError(f"{OPTION} {error}") from error
        self.workbench = workbench
        for check in CHECKS:
            yield CheckItem.from_parent(self, name=named(check), check=check, workbench=workbench)

    def teardown(self) -> None:
        self.workbench.close()


class CheckItem(pytest.Item):
    """One check; what it could not test is skipped with the reason, never passed."""

    def __init__(self, *, check: Check, workbench: Workbench, **more: Any) -> None:
        super().__init__(**more)
        self._check = check
        self._workbench = workbench

    def runtest(self) -> None:
        from instruments.conformance.verdict import Outcome

        verdict = self._workbench.verdict(self._check)
        if verdict.outcome is Outcome.FAILED:
            raise NotConforming(f"{verdict.reason}\nDemanded: {verdict.demand}")
        if verdict.outcome is not Outcome.PASSED:
            pytest.skip(f"{verdict.outcome.upper()}: {verdict.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotConforming):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        return self.parent.name if self.parent else "", None, f"{self.nodeid}"


class NotConforming(Exception):
    """A check failed."""
