"""pgloader reads plain TSV without comments: gunzip and grep come before it, and are counted."""

import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from columns import COLUMNS, FILE_ID, header, timed

TIME = (
    '(let* ((dot (or (search "." ts) (length ts)))'
    " (whole (unix-timestamp-to-timestamptz (subseq ts 0 dot))))"
    ' (format nil "~a~aZ" (subseq whole 0 19) (subseq ts dot)))'
)
"""Its own function for such times knows whole seconds only."""
COMMAND = """LOAD CSV
FROM '{file}'
HAVING FIELDS ({fields})
INTO {target}?zeek.conn
TARGET COLUMNS ({columns})
WITH batch rows = 25000, fields terminated by '\\t', fields not enclosed
SET timezone to 'UTC';
"""


def load(log: str, url: str) -> None:
    """Unpack, write pgloader's command, run it."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "conn.tsv"
        unpack = 'gunzip -c "$0" | grep -v "^#" > "$1"'
        subprocess.run(["bash", "-c", unpack, log, str(plain)], check=True)
        script = Path(folder) / "conn.load"
        script.write_text(command(plain, header(log), url))
        done = subprocess.run(["pgloader", str(script)], check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])


def command(plain: Path, names: list[str], url: str) -> str:
    """What pgloader is asked to do."""
    known = [name for name in names if name in COLUMNS]
    fields = ", ".join(f"{short(name)} [null if '-']" for name in names)
    constants = [f'etl_file_id text using "{FILE_ID}"', 'etl_line text using "0"']
    given = ", ".join([*map(column, known), *constants])
    return COMMAND.format(file=plain, fields=fields, target=target(url), columns=given)


def column(name: str) -> str:
    """A column of the table, and where its value comes from."""
    value = TIME if name == "ts" else f"(identity {short(name)})"
    return f'"{COLUMNS[name]}" text using {value}'


def short(name: str) -> str:
    """A name that pgloader takes."""
    return name.replace(".", "_")


def target(url: str) -> str:
    """The URL as pgloader writes a socket's folder."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    user = parts.username or "postgres"
    if not folder:
        return f"postgresql://{parts.netloc}{parts.path}"
    return f"postgresql://{user}@unix:{folder}:{parts.port or 5432}{parts.path}"


timed(load)
