"""How a running campaign comes along, drawn on a terminal; a few plain lines elsewhere."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from campaigns.records import TrialState
from loop.events import (
    AttemptFailed,
    AwaitingApproval,
    Body,
    Ended,
    Event,
    Fitted,
    Observed,
    Passed,
    Predicted,
    Proposed,
    Recommended,
)
from loop.state import CampaignState
from loop.summary import estimate_text, number, setting_text, unit_of

if TYPE_CHECKING:
    from rich.console import RenderableType

# kinds of events that say what is going on
TOLD = (Predicted, Observed, Fitted, AttemptFailed, Proposed, AwaitingApproval, Passed)

REFRESH_PER_S = 4  # redraws a second; a campaign has hundreds of events a second
BAR = 24  # characters

SHOWN = {
    TrialState.AWAITING_APPROVAL: "yellow",
    TrialState.RUNNING: "cyan",
    TrialState.PREDICTED: "green",
    TrialState.COMPLETED: "green",
    TrialState.STOPPED: "yellow",
    TrialState.FAILED: "red",
    TrialState.REFUSED: "red",
    TrialState.LOST: "red",
}


class Progress:
    """Listens to an engine. An event costs a look at it; drawing happens in a thread of its own."""

    def __init__(self, campaign_id: str, stream: TextIO) -> None:
        self.campaign_id = campaign_id
        self._stream = stream
        self._state: CampaignState | None = None
        self._latest: Body | None = None
        self._began = time.monotonic()
        self._trouble = ""

    def trouble(self, line: str) -> None:
        """An instrument was busy or did not answer; it is asked again."""
        self._trouble = line
        if not self._stream.isatty():
            self._say(line)

    def __call__(self, events: Sequence[Event], state: CampaignState) -> None:
        """Take in what the engine just wrote."""
        self._state, self._trouble = state, ""
        for event in events:
            if (
                isinstance(event.body, TOLD)
                or (isinstance(event.body, Ended) and event.body.failure is not None)
                or isinstance(event.body, Recommended)
            ):
                self._latest = event.body
        if not self._stream.isatty():
            self._plain(events, state)

    @contextmanager
    def showing(self, state: CampaignState) -> Iterator[None]:
        """Draw while the block runs, where the stream is a terminal."""
        self._state = state
        if not self._stream.isatty():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
        live = Live(
            get_renderable=self.render, console=console, refresh_per_second=REFRESH_PER_S,
            transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        with live:
            yield

    def _plain(self, events: Sequence[Event], state: CampaignState) -> None:
        """For logs: the few moments that matter."""
        for event in events:
            line = self._line(event.body)
            if line:
                self._say(line)

    def _say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _line(self, body: Body) -> str:
        match body:
            case Fitted(trials=trials):
                source = f"{len(trials)} training cells" if trials else "recorded cells"
                return f"early predictor fitted on {source}"
            case AwaitingApproval(trial=trial, reason=reason):
                return f"trial {trial} awaits approval ({reason}): leyden trial waiting {self._id}"
            case Ended(trial=trial, state=TrialState.LOST, failure=failure):
                reason = "" if failure is None else failure.reason
                return f"trial {trial} is lost ({reason}): leyden trial waiting {self._id}"
            case _:
                return ""

    @property
    def _id(self) -> str:
        return shlex.quote(self.campaign_id)

    # drawing ---------------------------------------------------------------------------------

    def render(self) -> RenderableType:
        """The block on the terminal, from what is known now."""
        from rich.table import Table
        from rich.text import Text

        state = self._state
        grid = Table.grid(padding=(0, 2))
        if state is None:
            return grid
        grid.add_column(style="dim")
        grid.add_column(no_wrap=True, overflow="ellipsis")
        elapsed = int(time.monotonic() - self._began)
        clock = f"{elapsed // 60}:{elapsed % 60:02d}"
        grid.add_row("campaign", Text(f"{self.campaign_id}  {self.phase(state)}  {clock}", "bold"))
        if state.training_proposed:
            grid.add_row("training", self._training(state))
        grid.add_row("trials", self._trials(state))
        grid.add_row("best", self._best(state))
        grid.add_row("budget", self._budget(state))
        grid.add_row("lab time", self._lab(state))
        grid.add_row("now", Text(self.activity(state)))
        if self._trouble:
            grid.add_row("trouble", Text(self._trouble, "yellow"))
        return grid

    def phase(self, state: CampaignState) -> str:
        """What the campaign is about now, in one word or two."""
        if state.over:
            return state.status
        if state.campaign.early_prediction is not None and not state.model:
            cells = state.history.training.values()
            if cells and all(cell.state.terminal for cell in cells):
                return "fitting the predictor"
            return "training the predictor" if cells else "starting"
        return "confirming" if state.confirmed else "searching"

    def _training(self, state: CampaignState) -> str:
        counts = dict(state.training_counts)
        total, over = sum(counts.values()), sum(n for s, n in counts.items() if s.terminal)
        return f"{_bar(over, total)} {over} of {total} cells" + (
            ", model fitted" * bool(state.model)
        )

    def _trials(self, state: CampaignState) -> RenderableType:
        from rich.text import Text

        counts = dict(state.counts)
        text = Text(f"{sum(counts.values())}")
        for each, style in SHOWN.items():
            if counts.get(each):
                text.append("  ·  ", "dim")
                text.append(f"{counts[each]} {each.replace('_', ' ')}", style)
        waiting = counts.get(TrialState.PROPOSED, 0)
        if waiting:
            text.append(f"  ·  {waiting} waiting", "dim")
        return text

    def _best(self, state: CampaignState) -> str:
        found = state.recommendation
        if found is None:
            return "nothing known yet"
        told = ", ".join(f"{name} {estimate_text(one)}" for name, one in found.objectives.items())
        return f"{told}   at {setting_text(state, found.parameters)}"

    def _budget(self, state: CampaignState) -> str:
        """The limit that is nearest, as a bar, and the others in words."""
        used = self.used(state)
        if not used:
            return "no limit"
        used.sort(key=lambda one: one[1] / one[2], reverse=True)
        words = "  ·  ".join(f"{number(a)} of {number(b)} {name}" for name, a, b in used)
        return f"{_bar(used[0][1], used[0][2])} {words}"

    def used(self, state: CampaignState) -> list[tuple[str, float, float]]:
        """(what, used, limit) of every limit the campaign has."""
        budget = state.campaign.budget
        found: list[tuple[str, float, float | None]] = [
            ("trials", state.asked, budget.trials),
            ("rounds", state.rounds, budget.rounds),
            ("instrument-hours", state.cost.instrument_hours, budget.instrument_hours),
            ("days in the lab", _days(state), budget.lab_days),
            ("minutes", (time.monotonic() - self._began) / 60.0, budget.wall_minutes),
            ("trials without a better one", state.stall.since, budget.stall),
        ]
        return [(name, used, limit) for name, used, limit in found if limit]

    def _lab(self, state: CampaignState) -> str:
        hours = f"{number(state.cost.instrument_hours)} instrument-hours"
        if state.cost.training_hours:
            hours += f" and {number(state.cost.training_hours)} h of training cells"
        return f"{_days(state):.1f} days  ·  {hours}"

    def activity(self, state: CampaignState) -> str:
        """The latest thing that happened, as a sentence."""
        match self._latest:
            case Predicted(trial=trial, prediction=p):
                told = f"[{number(p.lower)}, {number(p.upper)}]{unit_of(p.unit)}"
                return f"trial {trial}: {p.metric} predicted {number(p.mean)} {told}"
            case Observed(trial=trial, observation=seen):
                value = f"{number(seen.mean)}{unit_of(seen.unit)}"
                return f"trial {trial}: {seen.metric} measured {value}"
            case Fitted():
                return "early predictor fitted"
            case AwaitingApproval(trial=trial, reason=reason):
                return f"trial {trial} awaits approval: {reason}"
            case Passed(trial=trial, step=step, next=following):
                return f"trial {trial} went from {step} to {following}"
            case Ended(trial=trial, state=TrialState.LOST):
                return f"trial {trial} is lost: a person must say what became of it"
            case AttemptFailed(trial=trial, failure=failure):
                return f"trial {trial} failed ({failure.kind}) and is tried again"
            case Ended(trial=trial, failure=failure) if failure is not None:
                return f"trial {trial} failed ({failure.kind}): {failure.reason}"
            case Recommended():
                return f"{state.campaign.optimizer.kind} chooses the next trials"
            case Proposed(trials=trials, optimizer=name):
                return f"{name} asked for {len(trials)} trial{'s' * (len(trials) != 1)}"
            case _:
                return "starting"


def _bar(used: float, total: float) -> str:
    full = round(BAR * min(1.0, used / total)) if total else 0
    return "━" * full + "╌" * (BAR - full)


def _days(state: CampaignState) -> float:
    """Days from the first start until now, on the campaign's clock."""
    first = state.cost.first_start
    return 0.0 if first is None else max(0.0, state.time - first) / 86400.0
