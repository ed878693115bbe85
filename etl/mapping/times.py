"""Zeek's four ways to write a time, to the microsecond: epoch seconds, epoch milliseconds, ISO 8601, and text of these.

A number from 1e11 on is milliseconds (as seconds it would be the year 5138). Truncating a double loses the last
microsecond (.000001 becomes .000000954), so it is multiplied and rounded, which is exact below 2^32 seconds: there the
error of the product stays under half a microsecond. ISO times of up to six digits are exact as text; with more they
take the way of a number, so that one moment is the same row however it is written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import polars as pl

MILLISECONDS_FROM = 1e11
_EXACT_BELOW = float(1 << 32)
_LATEST_MILLISECONDS = 2.5e14
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LATEST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""Microseconds since 1970; beyond, not every part of the path can write the time."""

_EXACT_DIGITS = 6
_DIGITS = 20
"""A number of more is not a time in any unit, and its exponent may be astronomic."""
NOT_A_TIME = "not_a_time"
OUT_OF_RANGE = "time_out_of_range"
_NUMBER = r"-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
_ISO_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?Z$"
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):?([0-9]{2}))"
)
_NUMERIC = re.compile(_NUMBER)
_UNITS: dict[str, Decimal] = {
    "y": Decimal(31_536_000), "w": Decimal(604_800), "d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"), "ns": Decimal("1e-9"),
}  # fmt: skip
_UNIT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|us|µs|μs|ns|[ywdhms])")
_DURATION = re.compile(rf"(-?)((?:{_UNIT.pattern})+)")


def from_number(value: pl.Expr) -> pl.Expr:
    """Turn Float64 into Int64 microseconds; null where ``parse`` has to decide."""
    size = value.abs()
    return (
        pl.when(size < _EXACT_BELOW)
        .then((value * 1e6).round())
        .when((value >= MILLISECONDS_FROM) & (value < _LATEST_MILLISECONDS))
        .then((value * 1e3).round())
        .cast(pl.Int64)
    )


def from_text(text: pl.Expr) -> pl.Expr:
    """Turn String into Int64 microseconds; null where ``parse`` has to decide."""
    number = pl.when(text.str.contains(f"^{_NUMBER}$")).then(text).cast(pl.Float64, strict=False)
    iso = pl.when(text.str.contains(_ISO_UTC)).then(text)
    seconds = iso.str.slice(0, 19).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    epoch = seconds.dt.timestamp("us")
    fraction = iso.str.extract(r"\.([0-9]{1,6})Z$").str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    longer = iso.str.extract(r"(\.[0-9]{7,})Z$")
    exact = pl.when(longer.is_null()).then(epoch + fraction)
    whole = pl.when(epoch >= 0).then(epoch // 1_000_000)
    as_number = (whole.cast(pl.String) + longer).cast(pl.Float64, strict=False)
    as_number = pl.when(as_number < _EXACT_BELOW).then(as_number)
    exact = pl.when(exact >= EARLIEST).then(exact)  # the year 0000 is none that Python knows
    return pl.coalesce(from_number(pl.coalesce(number, as_number)), exact)


def parse(value: float | str) -> int | str:
    """Return microseconds since 1970 UTC, or the reason why there are none (one value, the slow and exact way)."""
    text = value if isinstance(value, str) else repr(value)
    found = _of_number(text) if _NUMERIC.fullmatch(text) else _of_iso(text)
    if found is None:
        return NOT_A_TIME
    return found if EARLIEST <= found <= LATEST else OUT_OF_RANGE


def _of_number(text: str) -> int | None:
    with localcontext(prec=60):
        try:
            number = Decimal(text)
        except ArithmeticError:
            return LATEST + 1
        if number.adjusted() > _DIGITS:
            return LATEST + 1
        scale = 1_000 if abs(number) >= MILLISECONDS_FROM else 1_000_000
        return int((number * scale).to_integral_value())


def _of_iso(text: str) -> int | None:
    if (found := _ISO.fullmatch(text)) is None:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        zone = (
            timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1))
            if sign
            else UTC
        )
        moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
    except (ValueError, OverflowError):
        return None
    seconds, digits = (moment - _EPOCH) // timedelta(seconds=1), fraction or "0"
    if len(digits) <= _EXACT_DIGITS:
        return seconds * 1_000_000 + int(digits.ljust(_EXACT_DIGITS, "0"))
    if 0 <= seconds < _EXACT_BELOW:
        return round(float(f"{seconds}.{digits}") * 1e6)
    with localcontext(prec=60):
        return seconds * 1_000_000 + int((Decimal(f"0.{digits}") * 1_000_000).to_integral_value())


def seconds_of(text: str) -> float | None:
    """Return the seconds of a duration with units, as zq and Go print it (``1m3.5s``, ``4.2ms``); None for none.

    Each unit stands once, the greater before the smaller; a year has 365 days.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    parts = [(Decimal(number), _UNITS[unit]) for number, unit in _UNIT.findall(found[2])]
    sizes = [size for _, size in parts]
    if sizes != sorted(set(sizes), reverse=True):
        return None
    total = float(sum(number * size for number, size in parts))
    return -total if found[1] else total
