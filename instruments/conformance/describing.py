"""Checks of what an adapter says of itself: its card, its options, its truth."""

from __future__ import annotations

import math

from instruments.base import Card, InstrumentError
from instruments.conformance.rig import Rig
from instruments.conformance.verdict import CheckFailed, NotApplicable, demand
from instruments.units import known

ON_LEASE_LOSS = ("hold", "continue", "stop")
NEEDS_APPROVAL = ("never", "first", "always", "outside-known-region")


def card_is_complete(rig: Rig) -> None:
    """The card names every setting and metric with a unit that can be converted: the engine
    converts by it, and a person approves by it."""
    card = rig.card
    demand(bool(card.kind), "the card has no kind")
    demand(bool(card.metrics), "the card has no metrics")
    names = [setting.name for setting in card.settings]
    demand(all(names) and len(set(names)) == len(names), f"settings without own names: {names}")
    demand(bool(names) or card.open_settings, "the card has no settings")
    for name, unit in (*((s.name, s.unit) for s in card.settings), *card.metrics.items()):
        demand(known(unit), f"{name}: {unit!r} is not a unit")
    for setting in card.settings:
        limits = [limit for limit in (setting.low, setting.high) if limit is not None]
        demand(all(map(math.isfinite, limits)), f"{setting.name}: a limit is not finite")
        demand(limits == sorted(limits), f"{setting.name}: low is above high")
        demand(not (limits and setting.options), f"{setting.name}: has limits and options")


def card_is_consistent(rig: Rig) -> None:
    """The card agrees with the class, with the options and with itself: the engine chooses its
    clock, fills channels and waits by it."""
    card, adapter = rig.card, rig.opening.adapter
    told = f"the card says simulated = {card.simulated}, the class {adapter.simulated}"
    demand(card.simulated == adapter.simulated, told)
    wanted = rig.opening.options.get("channels", card.channels)
    demand(card.channels == wanted, f"{card.channels} channels; the option says {wanted}")
    demand(card.channels >= 1, f"{card.channels} channels")
    demand(card == rig.adapter.describe(), "a second describe gives another card")
    demand(_waits(card), "retry_s, patience_s and lease_s must be above 0")
    demand(card.on_lease_loss in ON_LEASE_LOSS, f"on_lease_loss is {card.on_lease_loss!r}")
    demand(card.needs_approval in NEEDS_APPROVAL, f"needs_approval is {card.needs_approval!r}")


def _waits(card: Card) -> bool:
    lease_s = 1.0 if card.lease_s is None else card.lease_s
    return all(0 < seconds < math.inf for seconds in (card.retry_s, card.patience_s, lease_s))


def unknown_option_is_refused(rig: Rig) -> None:
    """A misspelt option is one clear line that names it, not a silent default."""
    adapter, options = rig.opening.adapter, {**rig.opening.options, "no_such_option": 1}
    try:
        adapter.open(options, rig.clock, rig.opening.files).close()
    except ValueError as error:
        demand("no_such_option" in str(error), f"the message does not name the option: {error}")
        demand("\n" not in str(error), f"the message has several lines: {error}")
    except (InstrumentError, TypeError, KeyError) as error:
        raise CheckFailed(f"raised {type(error).__name__}; ValueError is needed") from error
    else:
        raise CheckFailed("an unknown option was accepted")


def truth_repeats(rig: Rig) -> None:
    """Where the instrument knows the noise-free values, they are finite and always the same:
    benchmarks are scored by them."""
    truths = rig.adapter.truth(rig.bench.settings)
    if truths is None:
        raise NotApplicable("it does not know the truth")
    demand(len(truths) == len(rig.bench.settings), f"{len(truths)} truths")
    values = [value for truth in truths for value in truth.values()]
    demand(all(map(math.isfinite, values)), f"a truth is not finite: {values}")
    demand(truths == rig.adapter.truth(rig.bench.settings), "a second answer differs")


CHECKS = (card_is_complete, card_is_consistent, unknown_option_is_refused, truth_repeats)
