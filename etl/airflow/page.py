"""The page *zeek-quality* in Airflow's navigation: reports that ``conn_quality`` kept, and the state of quality now.

A FastAPI app inside the api-server. Every route depends on Airflow's own login; all that comes from logs was escaped
when it was rendered, and the content policy lets the page load nothing and run no script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.engine import Connection

from etl.airflow.plugin import NAME

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

# FastAPI's own pages (docs, openapi.json) would carry no dependency
app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)


@app.middleware("http")
async def _guard(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await handle(request)
    response.headers.update(HEADERS)
    return response


@app.exception_handler(HTTPException)
def _refuse(_request: Request, error: HTTPException) -> HTMLResponse:
    """A frame that shows raw JSON helps nobody."""
    said = (
        "Log in to Airflow, then open this page again." if error.status_code in {401, 403} else "Not found."
    )
    return HTMLResponse(f"<!doctype html><title>{NAME}</title><p>{said}</p>", status_code=error.status_code)


@contextmanager
def _session() -> Iterator[Connection]:
    from airflow.models.connection import Connection as Stored

    from etl.database.airflow import store_of

    with store_of(Stored.get_connection_from_secrets("conn_postgres")).session() as connection:
        yield connection


@app.get("/")
def overview() -> HTMLResponse:
    """Reports, problems that stand, newest verdicts, reasons of quarantine."""
    from etl import report

    with _session() as connection:
        return HTMLResponse(report.overview(connection))


@app.get("/report/{report_id}")
def kept_report(report_id: int) -> HTMLResponse:
    """One report as it was rendered."""
    from etl import report

    with _session() as connection:
        html = report.page(connection, report_id)
    if html is None:
        raise HTTPException(404)
    return HTMLResponse(html)
