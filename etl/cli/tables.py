"""Tables for people. A value is never cut: rows that do not fit the terminal are printed as ``column  value`` lines.

Into a pipe or a file a table has its full width. Numbers that count are grouped by thousands; numbers that are names
(ports, ids, lines) are not. Text from logs is shown, never interpreted: control characters become escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from rich.cells import cell_len

from etl.cli.console import out

GAP = "  "
_NUMBER = (int, float, Decimal)
_NAME = re.compile(r"(?:^|_)(?:port|id|line|vlan|pid|prefix)$")
"""Columns whose numbers name something."""
_BYTES = re.compile(r"(?:^|_)bytes(?:_|$)")


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, human: bool = False
) -> int:
    """Print rows and return their number. human: bytes as ``1.4 GB``."""
    values = [tuple(row) for row in rows]
    if not values:
        out.print(f"{title}: none", markup=False)
        return 0
    cells = [
        [shown(value, name, human=human) for name, value in zip(columns, row, strict=True)] for row in values
    ]
    if title:
        out.print(title, style="italic", markup=False, soft_wrap=True)
    right = [_is_number_column([row[at] for row in values]) for at in range(len(columns))]
    lines = _grid(columns, cells, right)
    if out.is_terminal and max(map(cell_len, lines)) > out.width:
        lines = _records(columns, cells)
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    return len(values)


def shown(value: object, column: str = "", *, human: bool = False) -> str:
    """The text of one cell."""
    if value is None:
        return ""
    if isinstance(value, _NUMBER) and not isinstance(value, bool):
        return _number(value, column, human=human)
    text = str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _number(value: float | Decimal, column: str, *, human: bool) -> str:
    if human and _BYTES.search(column):
        from rich.filesize import decimal

        return decimal(int(value)) if value >= 0 else str(value)
    if _NAME.search(column):
        return str(value)
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"


def _is_number_column(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(v, _NUMBER) and not isinstance(v, bool) for v in known)


def _grid(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    lines = [columns, *cells]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(columns))]
    return [
        GAP.join(_padded(*each) for each in zip(line, widths, right, strict=True)).rstrip() for line in lines
    ]


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _records(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(cell_len, columns))
    lines: list[str] = []
    for row in cells:
        lines += [
            "",
            *(
                f"{_padded(name, width, right=False)}{GAP}{text}".rstrip()
                for name, text in zip(columns, row, strict=True)
            ),
        ]
    return lines[1:]


def relative(path: str) -> str:
    """A path as a terminal shows it: relative to the working directory if it lies there. A pipe has it whole."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if out.is_terminal and path.startswith(f"{here}/") else path
