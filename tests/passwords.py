"""A PostgreSQL that asks everybody but its superuser for a password (SCRAM), by socket and by loopback TCP."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
from sqlalchemy.engine import make_url

from etl.database import embedded, schema
from etl.database.store import Store
from etl.settings import Settings

USER = "loading"


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordServer:
    """``admin`` is the URL of the superuser, who needs none."""

    admin: str
    home: Path
    address: str

    def by_socket(self, password: str, user: str = USER) -> str:
        """A URL with the password in it, as a person would write it."""
        plain = make_url(self.admin).set(username=user, password="MARK")
        return plain.render_as_string(hide_password=False).replace("MARK", quote(password, safe=""))

    def by_tcp(self, password: str, user: str = USER) -> str:
        """The same by TCP."""
        return f"postgresql://{user}:{quote(password, safe='')}@{self.address}:5432/{embedded.DATABASE}"


@contextmanager
def password_server(password: str) -> Iterator[PasswordServer]:
    """Run one, migrated, with the user ``loading`` who is a conn_loader; it logs every statement."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    hba = home / "hba.conf"
    hba.write_text(
        "local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.0/8 scram-sha-256\n"
    )
    hba.chmod(0o644)
    # an address of its own on the loopback: its port is the embedded server's for all
    address = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
    settings = {
        "hba_file": str(hba), "listen_addresses": address, "log_statement": "all", "log_connections": "on",
        "fsync": "off",
    }  # fmt: skip
    try:
        url = embedded.start(home, settings=settings)
        schema.migrate(Store.open(url, Settings()).engine)
        _make_user(url, password)
        yield PasswordServer(admin=url, home=home, address=address)
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def _make_user(url: str, password: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET log_statement = 'none'")  # making the role is the administrator's part, not ours
        cursor.execute(f"CREATE ROLE {USER} LOGIN PASSWORD $${password}$$ IN ROLE conn_loader")
    connection.close()


def everything(url: str) -> str:
    """All rows of all tables and views of ours, as text."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
            "AND relnamespace IN ('etl'::regnamespace, 'zeek'::regnamespace)"
        )
        text = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} AS t")
            text += [row[0] for row in cursor.fetchall()]
    connection.close()
    return "\n".join(text)
