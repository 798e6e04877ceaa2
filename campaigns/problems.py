"""What is wrong with a campaign, said in one line each."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class CampaignError(ValueError):
    """A campaign cannot be used; `problems` holds one clear line a mistake."""

    problems: tuple[str, ...]

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def within(self, where: str) -> CampaignError:
        """The same mistakes, each line preceded by `where` (a file, or a key and a dot)."""
        return CampaignError(where + problem for problem in self.problems)

    def __reduce__(self) -> tuple[type[CampaignError], tuple[tuple[str, ...]]]:
        return CampaignError, (self.problems,)


def nearest(word: str, allowed: Collection[str]) -> str | None:
    """The allowed word that `word` was probably meant to be, or None."""
    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def listed(allowed: Collection[str], limit: int = 12) -> str:
    """`allowed` as a short comma-separated list; `…` stands for what is left out."""
    names = list(allowed)
    shown = ", ".join(names[:limit]) if names else "none"
    return f"{shown}, …" if len(names) > limit else shown


def unknown(what: str, word: str, allowed: Collection[str]) -> str:
    """`unknown key; allowed: trials, rounds; did you mean 'trials'?`, the word itself left out."""
    guess = nearest(word, allowed)
    hint = f"; did you mean '{guess}'?" if guess else ""
    return f"unknown {what}; allowed: {listed(allowed)}{hint}"
