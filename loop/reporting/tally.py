"""What the events of a campaign count that its state forgets: retries, corrections, exclusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from campaigns.records import FailureKind
from loop.events import AttemptFailed, Corrected, Event, Excluded


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts that failed and were tried again, by kind; trials corrected, trials excluded now."""

    retried: Mapping[FailureKind, int]
    corrected: int
    excluded: int

    @classmethod
    def of(cls, events: Iterable[Event]) -> Tally:
        retried: Counter[FailureKind] = Counter()
        corrected: set[int] = set()
        excluded: set[int] = set()
        for event in events:
            match event.body:
                case AttemptFailed(failure=failure):
                    retried[failure.kind] += 1
                case Corrected(trial=trial):
                    corrected.add(trial)
                case Excluded(trial=trial, excluded=out):
                    (excluded.add if out else excluded.discard)(trial)
                case _:
                    pass
        return cls(retried, len(corrected), len(excluded))

    @property
    def amended(self) -> str:
        """`1 excluded, 2 corrected`; "" where nobody changed a thing."""
        counts = ((self.excluded, "excluded"), (self.corrected, "corrected"))
        return ", ".join(f"{n} {what}" for n, what in counts if n)
