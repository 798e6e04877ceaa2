"""Progress: what is drawn on a terminal, and how little goes into a log."""

from __future__ import annotations

import io

from loop.events import Event
from loop.launch import create, engine
from loop.progress import Progress
from loop.state import CampaignState
from loop.store.store import Store
from tests.loop.laboratory import hill


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def text_of(progress: Progress) -> str:
    """The block as it would be drawn."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=110, markup=False)
    console.print(progress.render())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_terminal_sees_trials_best_budget_and_lab_time() -> None:
    stream = Terminal()
    progress = Progress("hill-1", stream)
    blocks = []

    def listen(events: list[Event], state: CampaignState) -> None:
        progress(events, state)
        blocks.append(text_of(progress))

    with Store.open("sqlite://") as store:
        campaign_id = create(store, hill(budget="trials = 9"))
        with engine(store, campaign_id, listener=listen) as runner:
            with progress.showing(runner.state):
                runner.run()
            assert progress.used(runner.state)[0] == ("trials", 9, 9)
    assert "nothing known yet" in blocks[0]
    assert "3 running" in "".join(blocks)
    assert "9 of 9 trials" in blocks[-1]
    for word in ("hill-1", "finished", "9 completed", "lab time", "days", "instrument-hours"):
        assert word in blocks[-1]
    assert "value 9" in blocks[-1] or "value 10" in blocks[-1]
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is given back


def test_a_log_stays_quiet() -> None:
    stream = io.StringIO()
    progress = Progress("hill-1", stream)
    with Store.open("sqlite://") as store:
        campaign_id = create(store, hill(budget="trials = 9"))
        with (
            engine(store, campaign_id, listener=progress) as runner,
            progress.showing(runner.state),
        ):
            runner.run()
    assert stream.getvalue() == ""
