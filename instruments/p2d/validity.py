"""Is a design a working cell? Four answers, from what was checked and what was solved."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from campaigns.records import FailureKind
from instruments.base import Problem
from instruments.computing import Payload

LEAST_UTILISATION: Final = 0.1  # below, the cell dies within seconds and its energy is mesh error


class Validity(StrEnum):
    """valid: it works; unphysical: refused before it was solved; unsolved: the solver gave up;
    exhausted: it delivers less than the least utilisation."""

    VALID = "valid"
    UNPHYSICAL = "unphysical"
    UNSOLVED = "unsolved"
    EXHAUSTED = "exhausted"


def validity_of(
    problems: Sequence[Problem], answer: Payload | None, least: float = LEAST_UTILISATION
) -> Validity:
    """From the problems of a design (design.problems) and, where it has none, the answer of
    evaluation.evaluate."""
    if problems or answer is None:
        return Validity.UNPHYSICAL
    if answer["ok"]:
        return Validity.VALID if answer["scalars"]["utilisation"] >= least else Validity.EXHAUSTED
    out_of_range = answer["kind"] == FailureKind.OUT_OF_RANGE.value
    return Validity.EXHAUSTED if out_of_range else Validity.UNSOLVED
