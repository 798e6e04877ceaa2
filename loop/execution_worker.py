"""The side of the workers: a task comes as text, its answer goes back as text."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from queue import SimpleQueue
from threading import Thread

from instruments.computing import carried_out
from loop.threads import before_imports, single_threaded


def on_one_thread(target: str, text: str) -> str:
    """`carried_out` by a worker, whatever its libraries would like: the same bits everywhere."""
    with single_threaded():
        return carried_out(target, text)


def serve() -> None:
    """Answer the tasks on standard input, a line each, until the engine closes it or is gone."""
    before_imports()
    tasks, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)  # a task, and what it starts, must not read the tasks
    os.dup2(2, 1)  # nor print between the answers
    waiting: SimpleQueue[str] = SimpleQueue()
    Thread(target=_listen, args=(tasks, waiting), daemon=True).start()
    while True:
        target, text = json.loads(waiting.get())
        answers.write(on_one_thread(target, text) + "\n")
        answers.flush()


def _listen(tasks: Iterable[str], waiting: SimpleQueue[str]) -> None:
    """Pass tasks on. The end of the input is the end of the engine, even by SIGKILL: go with it,
    in the middle of a task, and take along what the task has started."""
    for line in tasks:
        waiting.put(line)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
