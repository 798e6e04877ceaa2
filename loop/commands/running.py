"""Running campaigns: start one, take one up again, end one."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from loop.commands.console import (
    DEFAULT_STORE,
    AsJson,
    BadInput,
    CampaignId,
    Failed,
    Reason,
    Resumable,
    Sets,
    StoreUrl,
    as_bad_input,
    command_line,
    emit,
    emit_json,
    note,
    page,
    pairs,
    writing,
)
from loop.store.errors import LeaseHeld, LeaseLost, StoreDamaged, StoreError

if TYPE_CHECKING:
    from loop.engine import Engine
    from loop.state import CampaignState
    from loop.store.store import Store

CHANGEABLE = "budget.*, instrument.channels (or steps.N.channels) and execution.*"
NoWait = Annotated[
    bool,
    typer.Option("--no-wait", help="Leave (exit code 130) where only a person can help."),
]


def run(
    campaign: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="A shipped name or the path of a file.")
    ],
    store: StoreUrl = DEFAULT_STORE,
    seed: Annotated[int | None, typer.Option(help="Instead of the seed in the file.")] = None,
    sets: Sets = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Run a campaign to its end."""
    from loop import launch

    overrides = pairs(sets)
    if seed is not None:
        overrides["seed"] = seed
    frozen = launch.read(campaign, overrides)
    with writing(store, create=True) as opened:
        campaign_id = launch.create(opened, frozen)
        _tell(f"campaign {campaign_id}", as_json)
        _drive(opened, campaign_id, {}, store, as_json, patient=not no_wait)


def resume(
    campaign_id: CampaignId,
    store: StoreUrl = DEFAULT_STORE,
    sets: Sets = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a campaign that was interrupted, or with a new budget."""
    changes = pairs(sets)
    for path in changes:
        channels = re.fullmatch(r"instrument\.channels|steps\.\d+\.channels", path)
        if not path.startswith(("budget.", "execution.")) and channels is None:
            raise BadInput(f"--set {path}: a campaign that has run may change {CHANGEABLE} only")
    with writing(store) as opened:
        opened.head(campaign_id)  # an unknown id is told before anything else
        _tell(f"campaign {campaign_id}", as_json)
        _drive(opened, campaign_id, changes, store, as_json, patient=not no_wait)


def stop(
    campaign_id: CampaignId,
    store: StoreUrl = DEFAULT_STORE,
    reason: Reason = "stopped by a person",
    as_json: AsJson = False,
) -> None:
    """End a campaign for good; a running engine is asked to let go first."""
    from loop import amend
    from loop.progress import Progress
    from loop.waiting import in_words

    with writing(store) as opened, as_bad_input():
        state = amend.stop(opened, campaign_id, reason, Progress(campaign_id, sys.stderr))
    if as_json:
        emit_json({"campaign": campaign_id, "status": state.status, "lost": sorted(state.lost)})
        return
    already = "" if state.status == "stopped" else " already"
    emit(f"{campaign_id} is {state.status}{already}")
    if state.lost:
        look = command_line(store, "trial", "waiting", campaign_id)
        emit(f"{in_words(state)}, and may still run on the instrument: {look}")


def _tell(line: str, as_json: bool) -> None:
    """The id goes out first, so that a run that is killed can be taken up."""
    (note if as_json else emit)(line)


def _drive(
    store: Store,
    campaign_id: str,
    changes: Mapping[str, Any],
    url: str,
    as_json: bool,
    *,
    patient: bool,
) -> None:
    """Run the engine until the campaign is over or a signal comes, then print the summary."""
    from instruments.base import InstrumentError
    from loop import launch
    from loop.derive import BadProposal
    from loop.early import TrainingFailed
    from loop.engine import Interrupted, Waiting
    from loop.progress import Progress
    from loop.waiting import in_words

    go_on = command_line(url, "resume", campaign_id)
    progress = Progress(campaign_id, sys.stderr)
    try:
        with (
            Signals(go_on) as signals,
            launch.engine(
                store, campaign_id, changes=changes, listener=progress, patient=patient
            ) as engine,
        ):
            signals.engine = engine
            try:
                with progress.showing(engine.state):
                    engine.run()
            except Interrupted:
                _print(engine, campaign_id, store.url, "interrupted", as_json)
                raise
            except Waiting:
                _print(engine, campaign_id, store.url, "waiting", as_json)
                raise
            _print(engine, campaign_id, store.url, engine.state.status, as_json)
    except (Interrupted, KeyboardInterrupt) as error:
        raise Resumable(f"{campaign_id} is interrupted; go on with: {go_on}") from error
    except Waiting as error:
        look = command_line(url, "trial", "waiting", campaign_id)
        words = in_words(engine.state)
        raise Resumable(f"{campaign_id}: {words}; see {look}; then {go_on}") from error
    except (BadProposal, TrainingFailed, InstrumentError) as error:
        raise Failed(f"{campaign_id}: {error}") from error
    except StoreError as error:
        raise _broken_off(error, campaign_id, go_on) from error
    _judge(engine.state, campaign_id, command_line(url, "show", campaign_id))


def _broken_off(error: StoreError, campaign_id: str, go_on: str) -> Exception:
    """A full disk or a lock under way is a failure; a campaign that somebody else runs is not."""
    if isinstance(error, LeaseHeld | LeaseLost | StoreDamaged):
        return Failed(str(error)) if isinstance(error, LeaseLost) else error
    return Failed(f"{error}; {campaign_id} goes on with: {go_on}")


def _judge(state: CampaignState, campaign_id: str, look: str) -> None:
    """Raises Failed for a campaign that came to its end without what it was run for."""
    from loop.reporting.constraints import nothing_recommended

    if state.status == "failed":
        raise Failed(f"{campaign_id}: {state.reason}")
    if state.recommendation is None and state.asked:
        raise Failed(f"{campaign_id}: {nothing_recommended(state)}; see {look}")


def _print(engine: Engine, campaign_id: str, url: str, status: str, as_json: bool) -> None:
    from loop.summary import summary

    told = summary(campaign_id, engine.state, url, status=status, watch=engine.watch)
    if as_json:
        emit_json(told)
        return
    from loop.commands.sheet import conclusion

    page(*conclusion(told, engine.state))
    if status not in ("interrupted", "waiting"):
        emit(f"verify   {command_line(url, 'replay', campaign_id, '--verify')}")
        emit(f"report   {command_line(url, 'report', campaign_id, '-o', 'report.html')}")


class Signals:
    """SIGINT and SIGTERM ask the engine to stop after its action; a second SIGINT ends at once."""

    def __init__(self, go_on: str) -> None:
        self.engine: Engine | None = None
        self._go_on = go_on
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _on(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            # os.write: the interrupted code may hold the lock of sys.stderr
            cursor = "\x1b[?25h\n" if os.isatty(2) else ""
            os.write(2, f"{cursor}leyden: ended hard; go on with: {self._go_on}\n".encode())
            os._exit(130)
        self._asked = True
        if self.engine is None:
            raise KeyboardInterrupt
        self.engine.interrupt()
