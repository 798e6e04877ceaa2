"""The command line `leyden`: which commands there are, and how errors become exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import typer

from campaigns.problems import CampaignError
from loop.commands import (
    audit,
    bench,
    campaign,
    care,
    check_adapter,
    data,
    instrument,
    look,
    predict,
    recorded,
    robot,
    rulings,
    running,
    serve,
    surrogate,
    token,
)
from loop.commands.console import BadInput, Failed, Resumable, note
from loop.store.errors import StoreDamaged, StoreError
from loop.threads import before_imports

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
OURS = ("campaigns", "instruments", "surrogates", "loop")
# typer's own errors (unknown option, missing argument), whichever click it is built on
_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    name="leyden",
    help="Autonomous optimisation campaigns for battery research.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich help alone would take half of the start-up time allowed
    pretty_exceptions_enable=False,
)
app.command()(running.run)
app.command()(running.resume)
app.command()(running.stop)
app.command()(campaign.check)
app.command()(campaign.schema)
app.command("list")(look.list_campaigns)
app.command()(look.show)
app.command()(look.report)
app.command()(look.export)
app.command()(instrument.measure)
app.command()(instrument.describe)
app.command()(check_adapter.check_adapter)
app.command()(audit.replay)
app.command()(bench.bench)
app.add_typer(recorded.app, name="import")
app.add_typer(data.app, name="data")
app.add_typer(surrogate.app, name="surrogate")
app.add_typer(predict.app, name="predict")
app.add_typer(rulings.app, name="trial")
app.command()(serve.serve)
app.add_typer(token.app, name="token")
app.add_typer(robot.app, name="robot")
app.add_typer(care.app, name="store")
app.command()(care.doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code; never with a traceback for bad input."""
    before_imports()
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a sign gets a stand-in for it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = answer(sys.argv[1:] if arguments is None else list(arguments))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def answer(arguments: Sequence[str]) -> int:
    """Run one command; its exit code, each problem told in one line on standard error."""
    try:
        outcome: Any = app(args=list(arguments), prog_name="leyden", standalone_mode=False)
    except CampaignError as error:
        return _told(BAD_INPUT, *error.problems)
    except StoreDamaged as error:
        return _told(FAILED, str(error))
    except (BadInput, StoreError) as error:
        return _told(BAD_INPUT, *str(error).splitlines())
    except Failed as error:
        return _told(FAILED, str(error))
    except Resumable as error:
        return _told(INTERRUPTED, str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OURS:
            raise  # a fault of the program, not of the installation
        return _told(FAILED, f"the package {package!r} is missing; see leyden doctor")
    except (KeyboardInterrupt, typer.Abort):
        return _told(INTERRUPTED, "interrupted")
    except BrokenPipeError:
        return DONE
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help page
            note(str(error))
            return BAD_INPUT
        return _told(BAD_INPUT, *_usage(error))
    return outcome if isinstance(outcome, int) else DONE


def _usage(error: Exception) -> list[str]:
    """One line for a mistake on the command line, then where help is."""
    message = str(getattr(error, "format_message", error.__str__)())
    if not message:  # a group without a command has shown its help already
        return []
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "leyden")
    return [" ".join(message.split()), f"Try '{path} --help'."]


def _told(code: int, *lines: str) -> int:
    for line in lines:
        if line:
            note(f"leyden: {line}")
    return code


if __name__ == "__main__":
    main()
