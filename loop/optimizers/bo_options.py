"""An unordered option that was asked many times in a row gives way to another one once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaigns.records import Setting, Value
    from campaigns.space import Space
    from loop.optimizers.bo_data import Array
    from loop.optimizers.bo_search import Search

# Settings in a row with the same options after which another option is asked: one in five then goes
# elsewhere, which is what staying with the right option costs at most.
HABIT = 4


def habit(space: Space, asked: Sequence[Setting]) -> Mapping[str, Value]:
    """The unordered options that the last HABIT settings share; empty where they share not all,
    where fewer were asked, or where the space has no unordered parameter of several options.

    Few outcomes say little of how options are alike, and the acquisition function trusts the model
    in this: it can climb on one option until the budget is used up.
    """
    last = [options(space, setting) for setting in asked[-HABIT:]]
    shared = len(last) == HABIT and all(one == last[0] for one in last)
    return last[0] if shared else {}


def options(space: Space, setting: Setting) -> dict[str, Value]:
    """The values of the unordered parameters of several options."""
    return {p.name: setting[p.name] for p in space.parameters if p.columns > 1}


def exchanged(space: Space, setting: Setting) -> Iterator[Setting]:
    """The setting with one of its options replaced, in every way; it may not be feasible."""
    from campaigns.parameter import Choice

    for p in space.parameters:
        if isinstance(p, Choice) and p.columns > 1:
            for option in p.options:
                if option != setting[p.name]:
                    yield space.complete({**setting, p.name: option})


def sought(
    search: Search,
    barred: Mapping[str, Value],
    pool: Sequence[Setting],
    score: Callable[[Array], Array],
    ascend: Callable[[Array], Array] | None,
) -> Setting | None:
    """`Search.best` among settings that do not have all the barred options, or among all where
    no such setting may be asked. The first of the pool are tried with other options as well."""
    if barred:
        space = search.candidates.campaign.space
        near = [other for setting in pool[: search.parents] for other in exchanged(space, setting)]
        wider = [*search.candidates.usable(near), *pool]
        found = replace(search, barred=barred).best(wider, score, ascend)
        if found is not None:
            return found
    return search.best(pool, score, ascend)
