"""What a log has beyond the dictionary, as the text of one JSON object a row.

Hot: every current log has ``ip_proto`` there. The values are written by polars' own JSON encoder, never by hand.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import polars as pl

from etl.mapping import bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One member of the object, for those rows that have a value."""

    name: str
    values: pl.Series
    """Any JSON type, null where the row has none. Several members may share a name if no row has two."""
    encoded: bool = False
    """The values are JSON text already."""


def encode(members: Sequence[Member], height: int) -> pl.Series:
    """Return String of ``height``: the object's text, null for a row without any member."""
    filled = [member for member in members if member.values.null_count() < height]
    if not filled:
        return pl.Series([None], dtype=pl.String).new_from_index(0, height)
    frame = pl.DataFrame([member.values.alias(str(i)) for i, member in enumerate(filled)])
    texts: list[pl.Expr] = []
    for everywhere, run in itertools.groupby(enumerate(filled), lambda item: _in_every_row(item[1])):
        neighbours = list(run)
        texts += [_object(neighbours)] if everywhere else [_text(i, member) for i, member in neighbours]
    if len(texts) == 1:
        return frame.select(texts[0]).to_series()
    inner = [text.str.strip_prefix("{").str.strip_suffix("}") for text in texts]
    joined = frame.select(pl.concat_str(inner, separator=",", ignore_nulls=True).alias("joined"))
    whole = pl.concat_str([pl.lit("{"), pl.col("joined"), pl.lit("}")])
    return joined.select(pl.when(pl.col("joined") != "").then(whole)).to_series()


def listed(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that the ledger lists of a file, with their types: not without end, nor with long names."""
    return {bounds.listed_name(name): kind for name, kind in islice(columns.items(), bounds.LISTED_COLUMNS)}


def _in_every_row(member: Member) -> bool:
    return not member.encoded and not member.values.null_count()


def _object(members: Sequence[tuple[int, Member]]) -> pl.Expr:
    """The object with these members, nulls among them."""
    return pl.struct(pl.col(str(i)).alias(member.name) for i, member in members).struct.json_encode()


def _text(column: int, member: Member) -> pl.Expr:
    """The object with this member alone; null for a row without it."""
    value = pl.col(str(column))
    if member.encoded:
        return pl.concat_str(
            [pl.lit("{" + json.dumps(member.name, ensure_ascii=False) + ":"), value, pl.lit("}")]
        )
    return pl.when(value.is_not_null()).then(pl.struct(value.alias(member.name)).struct.json_encode())
