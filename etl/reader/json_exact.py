"""One JSON line, read slowly and exactly: for the lines that the fast path is not sure of.

Numbers stay the text that they are, so no digit is lost before the mapping casts; a key that comes twice is seen; what
PostgreSQL's text and jsonb cannot hold (NUL, half a surrogate pair) stays as it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from etl.fields import BY_ZEEK, Field
from etl.mapping.names import STREAM_COLUMNS, Names

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]+")
PLAIN_NUMBER = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")
"""A number as jsonb keeps it to the last digit; beyond any sensible size the digits are kept as a text."""
UNSET, EMPTY = "-", "(empty)"
"""Zeek's marks, which converters of TSV leave in the values of JSON."""
DEPTH = 20
"""Objects within objects whose members are columns."""
_BEYOND_INT64 = 20
"""Decimal digits of a number that no bigint can hold."""


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Bad(Exception):
    """The line is not a row: the field at fault (None: the line as a whole) and the reason."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class _Number(str):
    __slots__ = ()


def _text(value: str) -> str:
    if value.isascii() and "\0" not in value:
        return value
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {_text(key): value for key, value in pairs}
    if len(found) < len(pairs):
        raise Bad("duplicate_key")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise Bad("not_json")


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_no_constant
).decode


def parse(line: bytes, names: Names) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Return what a line says of the fields, as the text that the mapping takes, and its further members.

    Raises:
        Bad: the line is no JSON object, of another log, or a value has a type that its field cannot have.
    """
    members = _flat(_loaded(line), names.roots)
    if names.is_other(names.stream_of(members), [key for key, value in members.items() if value is not None]):
        raise Bad("other_log")
    columns = names.resolve(members)
    row: dict[str, str | None] = {}
    further: dict[str, Any] = {}
    for key, value in members.items():
        if (field := columns.get(key)) is not None:
            row[field] = None if value is None else _value(BY_ZEEK[field], value)
        elif value is not None and not _names_stream(key, value, names):
            further[key] = value
    return row, further


def _names_stream(key: str, value: object, names: Names) -> bool:
    return key in STREAM_COLUMNS and names.is_stream_name(key, str(value))


def encoded(further: dict[str, Any]) -> str | None:
    """Return the members as the text of one JSON object; None when there are none."""
    try:
        return _encoded(further) if further else None
    except RecursionError:
        raise Bad("nested_too_deep") from None


def flat_keys(members: dict[str, Any], roots: Collection[str]) -> list[str]:
    """Return the keys of a decoded object, those of objects whose members are columns in their dotted form."""
    keys: list[str] = []
    for key, value in members.items():
        if key in roots and isinstance(value, dict) and value:
            keys += [f"{key}.{inner}" for inner in _dotted(value, DEPTH)]
        else:
            keys.append(key)
    return keys


def _dotted(members: dict[str, Any], depth: int) -> list[str]:
    keys: list[str] = []
    for key, value in members.items():
        if isinstance(value, dict) and value and depth > 1:
            keys += [f"{key}.{inner}" for inner in _dotted(value, depth - 1)]
        else:
            keys.append(key)
    return keys


def unstorable(text: str) -> bool:
    """Whether a text has characters that PostgreSQL cannot hold."""
    return _UNSTORABLE.search(text) is not None


def kind(value: object) -> str:
    """Return the JSON type of a parsed value."""
    match value:
        case _Number():
            return "number"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _loaded(line: bytes) -> dict[str, Any]:
    if b"\0" in line:
        raise Bad("nul_byte")
    try:
        found = _decode(line.decode())
    except UnicodeDecodeError:
        raise Bad("invalid_utf8") from None
    except ValueError:
        raise Bad("not_json") from None
    except RecursionError:
        raise Bad("nested_too_deep") from None
    if not isinstance(found, dict):
        raise Bad("not_an_object")
    return found


def _flat(members: dict[str, Any], roots: Collection[str]) -> dict[str, Any]:
    """Spell ``{"id": {"orig_h": …}}`` as ``id.orig_h``."""
    nested = [key for key in members if key in roots and isinstance(members[key], dict)]
    if not nested:
        return members
    flat = {key: value for key, value in members.items() if key not in nested}
    pending = [(key, members[key], 1) for key in nested]
    while pending:
        prefix, inner, depth = pending.pop(0)
        for key, value in inner.items():
            name = f"{prefix}.{key}"
            if isinstance(value, dict) and depth < DEPTH:
                pending.append((name, value, depth + 1))
            elif name in flat:
                raise Bad("duplicate_key")
            else:
                flat[name] = value
    return flat


def _value(field: Field, value: object) -> str | None:
    """The text of a value that has a JSON type which the field may have; text is cast as a cell of TSV is."""
    if field.is_set:
        return _set(field, value)
    if isinstance(value, str) and not isinstance(value, _Number):
        if value == UNSET:
            return None
        return "" if value == EMPTY and field.standard_type == "string" else _text(value)
    return _VALUES[field.standard_type](field, value)


def _time(field: Field, value: object) -> str:
    if not isinstance(value, _Number):
        raise Bad("not_a_time", field.zeek)
    return value


def _ip(field: Field, _value: object) -> str:
    raise Bad("not_an_ip", field.zeek)


def _integer(field: Field, value: object) -> str:
    """A number that is a whole one is an integer, also when it is written 1.0 or 1e3."""
    if not isinstance(value, _Number):
        raise Bad("not_an_integer", field.zeek)
    if _INTEGER.fullmatch(value):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Bad("integer_out_of_range", field.zeek) from None
    if number and number.adjusted() >= _BEYOND_INT64:
        raise Bad("integer_out_of_range", field.zeek)
    whole = number.to_integral_value()
    if whole != number:
        raise Bad("not_an_integer", field.zeek)
    return str(int(whole))


def _float(field: Field, value: object) -> str:
    if not isinstance(value, _Number):
        raise Bad("not_a_number", field.zeek)
    return value


def _boolean(field: Field, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    raise Bad("not_a_boolean", field.zeek)


def _string(field: Field, _value: object) -> str:
    raise Bad("not_a_string", field.zeek)


_VALUES: dict[str, Callable[[Field, object], str]] = {
    "date_time": _time,
    "ip": _ip,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "string": _string,
}


def _set(field: Field, value: object) -> str | None:
    """A set of texts as the text of a JSON array."""
    if isinstance(value, str) and not isinstance(value, _Number):
        return set_of_text(value)
    if not isinstance(value, list) or not all(
        isinstance(u, str) and not isinstance(u, _Number) for u in value
    ):
        raise Bad("not_a_string", field.zeek)
    return set_of_list(value)


def set_of_text(text: str) -> str | None:
    """Return the JSON array of a set that came as text: as TSV spells it, or JSON within JSON."""
    if text in ("", EMPTY):
        return "[]"
    try:
        inner = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        inner = None
    if isinstance(inner, list) and all(isinstance(uid, str) for uid in inner):
        return set_of_list(inner)
    return set_of_list(text.split(","))


def set_of_list(texts: list[str]) -> str | None:
    """Return the JSON array of some texts, without blanks; a mark that stands alone is what TSV says with it."""
    if texts == [UNSET]:
        return None
    if texts == [EMPTY]:
        return "[]"
    return _encode([_text(text) for text in texts])


def _encoded(value: object) -> str:
    match value:
        case _Number():
            return value if PLAIN_NUMBER.fullmatch(value) else json.dumps(value)
        case str():
            return _encode(_text(value))
        case dict():
            members = (f"{_encode(key)}:{_encoded(inner)}" for key, inner in value.items())
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(map(_encoded, value)) + "]"
        case _:
            return json.dumps(value)
