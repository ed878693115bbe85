"""The database that a call works on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import URL, Connection, Engine

from etl.database import engine, reader
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

    def session(self) -> AbstractContextManager[Connection]:
        """A connection with its errors translated, with all rights that the user has."""
        return engine.session(self.engine)

    def reading(self) -> AbstractContextManager[Connection]:
        """A session that can only read, whatever the user of this store may do: what questions run in."""
        return reader.reading(self.url, self.settings)

    def loading(self) -> AbstractContextManager[Connection]:
        """A connection that acts as conn_loader where the user may: what all that loads and unloads works on."""
        return engine.loader_session(self.engine)
