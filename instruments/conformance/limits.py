"""Checks of what is turned away: limits, missing and unknown settings, wrong types, units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

from campaigns.records import Setting, Value
from instruments.base import InstrumentError, Refused, SettingCard
from instruments.conformance.bench import NotTested
from instruments.conformance.rig import Rig
from instruments.conformance.verdict import CheckFailed, NotApplicable, demand
from instruments.guard import outside
from instruments.quantity import in_units
from instruments.units import UnitError, converter


def good_settings_are_accepted(rig: Rig) -> None:
    """What is within the limits passes the adapter's own check and the engine's guard: a limit
    that turns good settings away is one nobody keeps."""
    for setting in rig.bench.settings:
        problems = [*rig.adapter.check(rig.job(setting)), *outside(rig.card, setting)]
        told = "; ".join(f"{problem.setting} {problem.reason}" for problem in problems)
        demand(not problems, f"{dict(setting)} was turned away: {told}")


def below_the_limit_is_refused(rig: Rig) -> None:
    """A value below its low limit is refused by check and by submit, however little it is."""
    _each(rig, [s for s in rig.card.settings if s.low is not None], _below)


def above_the_limit_is_refused(rig: Rig) -> None:
    """A value above its high limit is refused by check and by submit, however little it is."""
    _each(rig, [s for s in rig.card.settings if s.high is not None], _above)


def not_a_finite_number_is_refused(rig: Rig) -> None:
    """NaN and infinity compare false with every limit, and so slip through a careless one."""
    _each(rig, _numeric(rig), lambda _: (math.nan, math.inf, -math.inf))


def wrong_type_is_refused(rig: Rig) -> None:
    """A text, also one with a unit, or a truth value is no number: units are converted at the
    edge, before a job reaches an adapter."""
    _each(rig, _numeric(rig), lambda setting: ("much", f"1 {setting.unit}", True))


def unlisted_option_is_refused(rig: Rig) -> None:
    """A setting with options takes one of them and nothing else."""
    _each(rig, [s for s in rig.card.settings if s.options], lambda _: ("no such option",))


def missing_setting_is_refused(rig: Rig) -> None:
    """A job says all that it needs: a device that fills in what was there before surprises."""
    needed = [setting.name for setting in rig.card.settings if not setting.optional]
    if not needed:
        raise NotApplicable("every setting is optional")
    for name in needed:
        _refused(rig, {other: v for other, v in rig.setting.items() if other != name}, name)


def unknown_setting_is_refused(rig: Rig) -> None:
    """A misspelt setting is not silently left out."""
    if rig.card.open_settings:
        raise NotApplicable("it takes settings of any name")
    _refused(rig, {**rig.setting, "no_such_setting": 1.0}, "no_such_setting")


def unsuitable_setting_is_refused(rig: Rig) -> None:
    """What each limit allows may still be beyond the device: a combination it cannot do."""
    if not rig.bench.unsuitable:
        raise NotTested("the bench names no unsuitable settings")
    for setting in rig.bench.unsuitable:
        _refused(rig, setting)


def refusal_needs_no_device(rig: Rig) -> None:
    """Limits are looked at before anything is sent: over-limit jobs are refused also while the
    device cannot be reached."""
    rig.real_time()
    wrong = _over_limit(rig)
    rig.device.cut()
    _turned_away(rig, wrong)


def units_convert(rig: Rig) -> None:
    """A value written with another unit of its kind becomes the same number in the card's unit;
    a unit of another kind is an error, never a number."""
    numeric = [s for s in _numeric(rig) if s.name in rig.setting]
    for setting in numeric:
        value = float(rig.setting[setting.name])
        unit = _other(setting.unit)
        text = f"{converter(setting.unit, unit)(value)!r} {unit}"
        got = in_units(rig.card, {setting.name: text})[setting.name]
        close = not isinstance(got, str) and math.isclose(got, value, rel_tol=1e-9, abs_tol=1e-12)
        demand(close, f"{setting.name} = {text!r} became {got!r}; {value!r} is right")
        with suppress(UnitError):
            wrong = in_units(rig.card, {setting.name: f"1 {_foreign(setting.unit)}"})
            raise CheckFailed(f"{setting.name} in a foreign unit became {wrong}")
    if not numeric:
        raise NotApplicable("no setting is a number")


def _each(
    rig: Rig, settings: Sequence[SettingCard], wrong: Callable[[SettingCard], tuple[Value, ...]]
) -> None:
    if not settings:
        raise NotApplicable("the card has no setting of that kind")
    for setting in settings:
        for value in wrong(setting):
            _refused(rig, {**rig.setting, setting.name: value}, setting.name)


def _refused(rig: Rig, setting: Setting, culprit: str = "") -> None:
    """By check, naming the culprit; by submit; and without the device hearing of it."""
    job = rig.job(setting)
    problems = rig.adapter.check(job)
    demand(bool(problems), f"check accepts {dict(setting)}")
    named = any(culprit in f"{problem.setting} {problem.reason}" for problem in problems)
    demand(named, f"check does not name {culprit}: {problems}")
    since = rig.clock.now()
    _turned_away(rig, setting)
    rig.not_begun(rig.jobs[-1].key, since)


def _turned_away(rig: Rig, setting: Setting) -> None:
    try:
        rig.adapter.submit(rig.job(setting))
    except Refused as error:
        demand(bool(str(error)), "Refused says no reason")
    except InstrumentError as error:
        raise CheckFailed(
            f"submit of {dict(setting)} raised {type(error).__name__}; Refused is needed"
        ) from error
    else:
        raise CheckFailed(f"submit accepts {dict(setting)}")


def _below(card: SettingCard) -> tuple[Value, ...]:
    low = 0.0 if card.low is None else card.low
    return (math.nextafter(low, -math.inf), low - max(1.0, abs(low)) * 1e3)


def _above(card: SettingCard) -> tuple[Value, ...]:
    high = 0.0 if card.high is None else card.high
    return (math.nextafter(high, math.inf), high + max(1.0, abs(high)) * 1e3)


def _numeric(rig: Rig) -> list[SettingCard]:
    return [setting for setting in rig.card.settings if not setting.options]


def _over_limit(rig: Rig) -> Setting:
    for setting in _numeric(rig):
        return {**rig.setting, setting.name: math.nan}
    return {**rig.setting, rig.card.settings[0].name: "no such option"}


def _other(unit: str) -> str:
    """Another unit of the same kind; the unit itself where no simple one is known."""
    for other in (f"k{unit}", f"m{unit}", f"kilo{unit}", "K", "percent", "1/s", "m/s"):
        with suppress(UnitError):
            converter(unit, other)
            return other
    return unit


def _foreign(unit: str) -> str:
    try:
        converter("kg", unit)
    except UnitError:
        return "kg"
    return "s"


CHECKS = (
    good_settings_are_accepted,
    below_the_limit_is_refused,
    above_the_limit_is_refused,
    not_a_finite_number_is_refused,
    wrong_type_is_refused,
    unlisted_option_is_refused,
    missing_setting_is_refused,
    unknown_setting_is_refused,
    unsuitable_setting_is_refused,
    refusal_needs_no_device,
    units_convert,
)
