"""Names for addresses: import of ``zeek.network`` from CSV, and from MaxMind's format (GeoLite2 country, city, ASN).

CSV has a header: ``cidr,name`` and, if wanted, ``kind`` (``site`` if empty) and ``valid_from`` (ISO 8601). An import
replaces what its source had before, in one transaction. Loaded rows are never touched: a question looks names up.
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute, statement
from etl.errors import Misuse
from etl.query import moments

LONGEST = 200
"""Characters of a name or kind; longer ones are cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One row of ``zeek.network``, but for its source."""

    cidr: str
    name: str
    kind: str
    valid_from: datetime | None = None


def read(path: Path) -> Iterator[Network]:
    """The networks of a file: ``.mmdb`` is MaxMind's format, all else CSV.

    Raises:
        Misuse: it is neither, or a line of it is wrong; the message names the line.
    """
    yield from _of_mmdb(path) if path.suffix == ".mmdb" else _of_csv(path)


def load(connection: Connection, source: str, networks: Iterable[Network]) -> int:
    """Put these networks in the place of what the source had, in the caller's transaction; returns their number."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    count = 0
    for count, network in enumerate(networks, 1):  # noqa: B007  the number of the last one
        since = network.valid_from.isoformat() if network.valid_from else "-infinity"
        writer.writerow([network.cidr, network.name, network.kind, source, since])
    lines.seek(0)
    execute(connection, "lookup.forget", source=source)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        cursor.copy_expert(statement("lookup.copy").text, lines)
    return count


def _of_csv(path: Path) -> Iterator[Network]:
    seen: set[tuple[str, str, datetime | None]] = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.DictReader(file)
            if not {"cidr", "name"} <= set(reader.fieldnames or ()):
                raise Misuse(
                    f"{path}: no columns cidr and name", hint="its first line names them: cidr,name,kind"
                )
            for row in reader:
                network = _of_row(row, f"{path}:{reader.line_num}")
                key = (network.cidr, network.kind, network.valid_from)
                if key in seen:
                    raise Misuse(f"{path}:{reader.line_num}: {network.cidr} is named twice as {network.kind}")
                seen.add(key)
                yield network
        except (UnicodeDecodeError, csv.Error) as error:
            raise Misuse(
                f"{path} is no CSV: {error}", hint="give a CSV file in UTF-8, or a file.mmdb"
            ) from error


def _of_row(row: Mapping[str, str | None], where: str) -> Network:
    texts = {key: (row.get(key) or "").strip() for key in ("cidr", "name", "kind", "valid_from")}
    try:
        cidr = str(ipaddress.ip_network(texts["cidr"]))
        valid_from = moments.parse(texts["valid_from"]) if texts["valid_from"] else None
    except ValueError as error:
        raise Misuse(f"{where}: {error}") from error
    if not texts["name"]:
        raise Misuse(f"{where}: {cidr} has no name")
    return Network(
        cidr=cidr, name=_bounded(texts["name"]), kind=_bounded(texts["kind"] or "site"), valid_from=valid_from
    )


def _bounded(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:LONGEST]


def _of_mmdb(path: Path) -> Iterator[Network]:
    import maxminddb

    try:
        with maxminddb.open_database(path) as database:
            for network, record in database:
                for kind, name in _named(record):
                    yield Network(cidr=str(network), name=_bounded(name), kind=kind)
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise Misuse(f"{path} is no MaxMind database: {error}") from error


def _named(record: Any) -> Iterator[tuple[str, str]]:
    """What a record says in the form of GeoLite2: a country, an autonomous system, or both."""
    if not isinstance(record, dict):
        return
    country = record.get("country") or record.get("registered_country") or {}
    if code := country.get("iso_code"):
        yield "country", f"{code} {country.get('names', {}).get('en', '')}".strip()
    if number := record.get("autonomous_system_number"):
        yield "asn", f"AS{number} {record.get('autonomous_system_organization', '')}".strip()
