"""The database of one configuration, and the only way to open it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import URL, Connection, Engine

from etl.database import embedded, engine, reader, schema
from etl.errors import EnvironmentProblem
from etl.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The database that rows go to, with the settings that say how."""

    url: URL
    engine: Engine
    settings: Settings

    @classmethod
    def open(cls, url: str, settings: Settings, statement_limit: timedelta | None = None) -> Store:
        """Parse the URL; connects only when used. No statement runs longer than the limit, whatever the settings say.

        A task sets one below its own ``execution_timeout``, which is a signal that psycopg2 does not hear inside a
        statement: so the server gives up first.
        """
        if statement_limit is not None:
            bounded = min(settings.statement_timeout, statement_limit)
            settings = settings.model_copy(update={"statement_timeout": bounded})
        parsed = engine.parse_url(url)
        return cls(url=parsed, engine=engine.connect_engine(parsed, settings), settings=settings)

    @classmethod
    def configured(cls, settings: Settings, *, start: bool = True) -> Store:
        """The database of ``CONN_ETL_DATABASE_URL``, else the embedded server; ``start``: wake that if it sleeps.

        Raises:
            EnvironmentProblem: neither is there.
        """
        if settings.database_url is not None:
            return cls.open(settings.database_url.get_secret_value(), settings)
        home = settings.home or embedded.default_home()
        status = embedded.status(home)
        if not status.running and not (start and status.data.exists()):
            raise EnvironmentProblem(
                "no database: CONN_ETL_DATABASE_URL is not set and there is no embedded server yet",
                hint="start one with `conn-etl up`",
            )
        return cls.open(status.url if status.running else embedded.start(home), settings)

    @property
    def reader_url(self) -> str:
        """A URL for people, of a login that can only read where one is known; never with a password in it."""
        if self.settings.reader_url is not None:
            url = engine.parse_url(self.settings.reader_url.get_secret_value())
        elif self.settings.database_url is None:
            url = self.url.set(username=embedded.LOGIN)
        else:
            url = self.url
        plain = url.set(drivername="postgresql", password=None)
        return plain.render_as_string(hide_password=False)

    def migrate(self, *, distribute: bool = False) -> str:
        """Bring its schema up to date; returns the version. distribute: over the workers of a Citus cluster."""
        return schema.migrate(self.engine, distribute=distribute)

    def session(self) -> AbstractContextManager[Connection]:
        """A connection with its errors translated, with all rights that the user has."""
        return engine.session(self.engine)

    def reading(self) -> AbstractContextManager[Connection]:
        """A session that can only read, whatever the user of this store may do: what questions run in."""
        return reader.reading(self.url, self.settings)

    def reading_login(self) -> URL:
        """The URL, with its password, of the login of ``reading``."""
        return reader.login(self.url, self.settings)

    def loading(self) -> AbstractContextManager[Connection]:
        """A connection that acts as conn_loader where the user may: what all that loads and unloads works on."""
        return engine.loader_session(self.engine)
