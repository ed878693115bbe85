"""docs/benchmarks.md from the figures in docs/benchmarks/*.json, none of which is typed in.

``python -m benchmarks.page``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from benchmarks import results
from etl.report import charts

PAGE = results.ROOT / "docs" / "benchmarks.md"
AXIS = {"labelColor": charts.INK, "titleColor": charts.INK, "labelLimit": 260}
"""A grey that can be read on light pages and dark ones."""
HEAD = """# Benchmarks

`make bench` measures all of this, `make bench ARGS="load --rows 5000000 --rounds 5"` one part;
`--json docs/benchmarks/<part>.json` keeps the figures and `.venv/bin/python -m benchmarks.page` makes this page from
them (`make bench ARGS=--save` does all of it). The limit is one COPY of the same clean rows into the same table with
the same unique key, in turns with what is measured: each ratio is of a load and the COPY just before it. Figures are
medians, ratios medians of ratios, so they differ a little from the ratio of the medians. Measure on an idle machine.
"""
Section = Callable[[dict[str, Any]], Iterable[str]]


def main() -> None:
    """Write the page and its charts."""
    parts = [text for name, (title, section) in SECTIONS.items() for text in part(name, title, section)]
    PAGE.write_text("\n".join([HEAD, *parts]).rstrip() + "\n")


def part(name: str, title: str, section: Section) -> Iterable[str]:
    """A section from its JSON, or the command that makes that."""
    yield f"## {title}\n"
    path = results.FOLDER / f"{name}.json"
    if not path.exists():
        yield f'Not measured yet: `make bench ARGS="{name} --json docs/benchmarks/{name}.json"`.\n'
        return
    found = json.loads(path.read_text())
    yield from section(found["figures"])
    about = found["about"]
    packages = ", ".join(f"{package} {version}" for package, version in about["packages"].items())
    server = found["figures"].get("server", {})
    settings = ", ".join(f"{key} {value}" for key, value in server.items() if key != "server_version")
    yield (
        f"Measured {about['measured']} at {about['commit']} by `{found['command']}` on {about['processor']}, "
        f"{about['cores']} cores, {about['memory_gib']} GiB, {about['system']}; load before {about['load_before']}; "
        f"Python {about['python']}, {packages}"
        + (f"; PostgreSQL {server['server_version']} ({settings})" if server else "")
        + ".\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all but the first column to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def bars(name: str, title: str, rows: list[dict[str, Any]]) -> str:
    """A chart of {what, value} as SVG, legible on light and dark pages; the Markdown that shows it."""
    drawn = charts.svg(
        {
            "width": 560,
            "height": {"step": 22},
            "data": {"values": rows},
            "mark": {"type": "bar", "color": charts.BLUE, "height": {"band": 0.7}},
            "encoding": {
                "y": {"field": "what", "type": "nominal", "title": None, "sort": None, "axis": AXIS},
                "x": {"field": "value", "type": "quantitative", "title": title, "axis": AXIS},
            },
        }
    )
    results.FOLDER.mkdir(parents=True, exist_ok=True)
    (results.FOLDER / f"{name}.svg").write_text(drawn + "\n")
    return f"![{title}](benchmarks/{name}.svg)\n"


def rounds(f: dict[str, Any]) -> str:
    """How often, in words."""
    return "1 round" if f["rounds"] == 1 else f"{f['rounds']} rounds"


def load(f: dict[str, Any], chart: str = "load") -> Iterable[str]:
    """Ratios, memory, bad lines, core seconds."""
    rows, copy = f["rows"], f["copy"]
    index = f["indexes"]["indexes"]
    alone = (
        "that is the unique key, so the ratio to a table with the unique key alone is the same; "
        if index == 1
        else ""
    )
    yield (
        f"{rows:,} rows, {rounds(f)}; {f['rules']} rules in the gate; "
        f"{index} index on an open day ({alone}sealed days get more, later).\n"
    )
    lines = [
        [
            "plain COPY",
            f"{copy['seconds']:.2f}",
            "",
            f"{rows / copy['seconds']:,.0f}",
            "1.00",
            _core_seconds(copy, rows),
            "",
            f"{copy['postgres_private_mib']:.0f}",
        ]
    ]
    for name, c in f["contenders"].items():
        lines.append(
            [
                name,
                f"{c['load_seconds']:.2f}",
                f"{c['copy_seconds']:.2f}",
                f"{rows / c['load_seconds']:,.0f}",
                _spread(c),
                _core_seconds(c, rows),
                f"{c['peak_mib']:.0f}",
                f"{c['postgres_private_mib']:.0f}",
            ]
        )
    yield table(
        [
            "",
            "seconds",
            "its COPY",
            "rows/s",
            "of COPY (from, to)",
            "core s/1M rows",
            "process, peak MiB",
            "sessions, peak MiB",
        ],
        lines,
    )
    yield bars(
        chart,
        "share of plain COPY's rate",
        [{"what": n, "value": c["ratio"]} for n, c in f["contenders"].items()],
    )
    for name, share in f["bad_lines"].items():
        yield f"{name}: {share:.2f} of the throughput of the clean log in the same round.\n"
    yield "Core seconds for a million rows, own process + PostgreSQL's sessions:\n"
    steps = ("before", "stage", "validate", "publish")
    scale = 1e6 / rows
    yield table(
        ["", *steps],
        [
            [
                n,
                *(
                    f"{c['step_cpu_seconds'].get(s, 0) * scale:.2f} + {c['postgres_cpu_seconds'].get(s, 0) * scale:.2f}"
                    for s in steps
                ),
            ]
            for n, c in f["contenders"].items()
        ],
    )


def _spread(contender: dict[str, Any]) -> str:
    """The median ratio, and the lowest and highest."""
    ratios = contender["ratios"]
    return f"{contender['ratio']:.2f} ({min(ratios):.2f}, {max(ratios):.2f})"


def _core_seconds(figures: dict[str, Any], rows: int) -> str:
    """Of both sides for a million rows, where they were measured."""
    used = figures.get("core_seconds")
    return f"{used * 1e6 / rows:.2f}" if used is not None else ""


def rivals(f: dict[str, Any]) -> Iterable[str]:
    """Fast ones, slow ones."""
    for kind in ("fast", "slow"):
        if kind not in f:
            continue
        found = f[kind]
        yield f"{found['rows']:,} rows, {rounds(found)}; each ends with all rows in the unique-keyed table.\n"
        yield table(
            ["", "rows/s", "of COPY", "we are … times as fast", "plain COPY is", "leaves out"],
            [
                [
                    line["name"],
                    f"{found['rows'] / line['seconds']:,.0f}",
                    f"{line['ratio']:.2f}",
                    f"{line['we_are_times_as_fast']:.1f}" if line["we_are_times_as_fast"] else "",
                    f"{1 / line['ratio']:.1f}" if line["we_are_times_as_fast"] else "",
                    line["leaves_out"],
                ]
                for line in found["rivals"]
            ],
        )
        yield bars(
            f"rivals_{kind}",
            "rows a second",
            [{"what": line["name"], "value": found["rows"] / line["seconds"]} for line in found["rivals"]],
        )
        for name, why in found["missing"].items():
            yield f"{name}: {why}.\n"


def quality(f: dict[str, Any]) -> Iterable[str]:
    """The gate and the report."""
    g = f["gate"]
    yield (
        f"The gate over {g['rows']:,} clean rows: {g['gate_seconds']:.2f} s, {g['ratio']:.2f} of plain COPY's "
        f"{g['copy_seconds']:.2f} s, {g['rules']} rules, {g['statements']} statements.\n"
    )
    if r := f.get("report"):
        yield f"The report over a day of {r['rows']:,} rows: {r['seconds']:.1f} s.\n"


def _beside_first(line: dict[str, Any]) -> str:
    """Its rate beside that of the first way, with the spread where it is known."""
    if "of_first" not in line:
        return ""
    low, high = line.get("of_first_spread", (None, None))
    return f"{line['of_first']:.2f}" + (f" ({low:.2f}, {high:.2f})" if low is not None else "")


GROWTH = {
    "rows": "One JSON.gz, larger and larger, once each:",
    "files": "The same rows in one file and in many:",
    "full": "Into an empty table and into a full one; the first ratio tells whether a full table is slower:",
    "two": "Two logs by one process, and by one process each: one keeps both cores busy already, so a second gains "
    "nothing on this machine.",
}


def growth(f: dict[str, Any]) -> Iterable[str]:
    """A table and a chart a part."""
    for name, words in GROWTH.items():
        if name in f:
            yield " ".join([words, f.get("remarks", {}).get(name, "")]).strip() + "\n"
            yield table(
                ["", "seconds", "rows/s", "peak MiB", "of the first"],
                [
                    [
                        x["what"],
                        f"{x['load_seconds']:.2f}",
                        f"{x['rate']:,.0f}",
                        f"{x['peak_mib']:.0f}",
                        _beside_first(x),
                    ]
                    for x in f[name]
                ],
            )
            yield bars(
                f"growth_{name}", "rows a second", [{"what": x["what"], "value": x["rate"]} for x in f[name]]
            )


def fixed(f: dict[str, Any]) -> Iterable[str]:
    """By task and by module."""
    dag = f["dag"]
    yield (
        f"`airflow dags test conn_ingest` over {f['files']} files: {dag['seconds']:.1f} s; "
        f"`conn-etl ingest` of one: {f['ingest_one_file']:.2f} s.\n"
    )
    yield table(
        ["task", "seconds"],
        [[n, f"{s:.2f}"] for n, s in (*dag["tasks"].items(), ("outside of tasks", dag["outside_tasks"]))],
    )
    yield table(["import", "seconds"], [[f"`{n}`", f"{i['seconds']:.2f}"] for n, i in f["imports"].items()])


def dag(f: dict[str, Any]) -> Iterable[str]:
    """The DAG by task, again over known files, and the command."""
    for name, found in f.items():
        if not isinstance(found, dict) or "command" not in found:
            continue
        ways = (("dag", "the DAG"), ("again", "the DAG, all known"), ("command", "`conn-etl ingest`"))
        yield f"{name}, {found['rows']:,} rows:\n"
        yield table(
            ["", "seconds", "CPU seconds", "PostgreSQL's"],
            [
                [what, *(f"{found[way][key]:.1f}" for key in ("seconds", "cpu_seconds", "postgres_seconds"))]
                for way, what in ways
            ],
        )
        tasks = {**found["dag"]["tasks"], "outside of tasks": found["dag"]["outside_tasks"]}
        yield table(["task", "seconds"], [[task, f"{seconds:.2f}"] for task, seconds in tasks.items()])


def tree(f: dict[str, Any]) -> Iterable[str]:
    """First and second run."""
    yield table(
        ["", "seconds", "CPU seconds", "peak MiB"],
        [
            [n, f"{f[n]['seconds']:.1f}", f"{f[n]['cpu_seconds']:.1f}", f"{f[n]['peak_mib']:.0f}"]
            for n in ("first", "second")
        ],
    )
    yield f"{f['files']:,} files, {f['rows']:,} rows; {f['files_per_second']:,.0f} files a second in the first run.\n"


def history(f: dict[str, Any]) -> Iterable[str]:
    """Questions, without and with the indexes of sealed days."""
    yield table(
        ["question", "ms", "ms without indexes"],
        [[n, f"{q['ms']:.1f}", f"{q['without_ms']:.1f}"] for n, q in f["questions"].items()],
    )


SECTIONS: dict[str, tuple[str, Section]] = {
    "load": ("Loading beside plain COPY", load),
    "bad_lines": ("One bad line in a thousand", partial(load, chart="bad_lines")),
    "rivals": ("Beside others", rivals),
    "quality": ("The gate and the report", quality),
    "growth": ("As work grows", growth),
    "full": ("As the table grows", growth),
    "fixed": ("Fixed costs", fixed),
    "dag": ("The DAG beside the command", dag),
    "history": ("Questions to a month of rows", history),
    "tree": ("A tree of small files", tree),
}


if __name__ == "__main__":
    main()
