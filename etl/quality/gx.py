"""Great Expectations, asked for one thing: which rules does some row fail, and by which query are these rows found.

One pass over a table (or over a query's answer) says yes or no for each rule, and gives the text of a query for the
rows that fail it; nothing is listed or scanned once more.

The only module that imports great_expectations, and that inside functions: the import takes seconds.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.database.driver_errors import translate_text, translate_wrapped
from etl.database.engine import Address
from etl.errors import ConnEtlError, EnvironmentProblem, PermanentError
from etl.quality import gate_sql
from etl.quality.importing import imported_for_good, loaded_on_first_use
from etl.quality.rules import Rule

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (  # noqa: TID251  here it is allowed
        ExpectationValidationResult,
    )

_UNUSED = ("altair", "boto3", "jsonschema", "scipy.stats")
"""It is imported with these, for rules, pages and sources that we do not have."""
_numbers = itertools.count()
_import_lock = threading.Lock()


def load() -> None:
    """Import Great Expectations now: worth doing in a thread while rows stream."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # It logs some 200 lines while it is imported, and each error with its traceback, which reaches us as an exception.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    # one thread imports, the others wait
    with _import_lock, loaded_on_first_use(*_UNUSED), imported_for_good("great_expectations"):
        import great_expectations  # noqa: F401, TID251  here it is allowed

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.CRITICAL)


def find(
    address: Address,
    wanted: Sequence[Rule],
    *,
    table: str | None = None,
    query: str | None = None,
    key: Sequence[str] = ("etl_file_id", "etl_line"),
) -> list[tuple[Rule, str]]:
    """The rules that some row of a table (or of a query's answer) fails, each with the SQL that finds these rows.

    Raises:
        PermanentError: a rule cannot be evaluated, or fails without having a row that does.
    """
    found = []
    for result in _validate(address, table, query, wanted, key):
        if result.success:
            continue
        rule, rows = _rule_of(result, wanted), result.result.get("unexpected_index_query")
        if not rows:
            raise PermanentError(
                f"the table itself breaks {rule.suite}/{rule.name}",
                hint="suite and schema are of different versions: run `conn-etl migrate`",
            )
        if query is not None:  # GX puts it behind FROM as it is
            rows = rows.replace(f"FROM {query}", f"FROM ({query}) AS relation")
        found.append((rule, rows.rstrip().rstrip(";")))
    return found


def _validate(
    address: Address,
    table: str | None,
    query: str | None,
    wanted: Sequence[Rule],
    key: Sequence[str],
) -> Sequence[ExpectationValidationResult]:
    load()
    import great_expectations as gx  # noqa: TID251  here it is allowed

    with _translated():
        schema, _, name = (table or "etl.").partition(".")
        datasource = _datasource(address.setting(search_path=schema))
        if table is not None:
            asset: Any = datasource.add_table_asset(name, table_name=name)
        else:
            name = f"query_{next(_numbers)}"
            asset = datasource.add_query_asset(name, query=query or "")
        try:
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            suite = gx.ExpectationSuite(name="suite", expectations=[rule.definition for rule in wanted])
            _require_all(len(wanted), len(suite.expectations))
            # yes or no, and the text of the query for the rows: no row is listed, nothing scanned once more
            answer: dict[str, Any] = {
                "result_format": "BOOLEAN_ONLY",
                "unexpected_index_column_names": list(key),
                "return_unexpected_index_query": True,
            }
            results: Sequence[ExpectationValidationResult] = batch.validate(
                suite, result_format=answer
            ).results
        finally:
            datasource.delete_asset(name)
            _forget_batches(datasource)
    _require_all(len(wanted), len(results))
    for result in results:
        if any(info.get("raised_exception") for info in _exceptions(result)):
            message = next(str(info.get("exception_message")) for info in _exceptions(result) if info)
            if (passing := translate_text(message)) is not None:
                raise passing
            raise PermanentError(f"rule {_rule_of(result, wanted).name} cannot be evaluated: {message}")
    return results


def _forget_batches(datasource: Any) -> None:
    """Let go of what was computed for the batch: the engine keeps it for good, half a megabyte each time."""
    engine = datasource.get_execution_engine()
    engine._metric_cache.clear()  # noqa: SLF001  it has no other way to be emptied
    engine.batch_manager.reset_batch_cache()
    engine.batch_manager.batch_data_cache.clear()


@contextmanager
def _translated() -> Iterator[None]:
    """GX wraps what its driver says into separate errors, some of which repeat the URL."""
    try:
        yield
    except ConnEtlError:
        raise
    except Exception as error:
        if (known := translate_wrapped(error)) is not None:
            raise known from None
        raise PermanentError(f"Great Expectations failed: {type(error).__name__}: {error}") from error


def _rule_of(result: ExpectationValidationResult, wanted: Sequence[Rule]) -> Rule:
    assert result.expectation_config is not None
    name = result.expectation_config.meta["rule"]
    return next(rule for rule in wanted if rule.name == name)


def _require_all(wanted: int, found: int) -> None:
    """A suite that loads fewer rules than its file has is a gate that quietly weakens."""
    if found != wanted:
        raise EnvironmentProblem(
            f"Great Expectations took {found} of {wanted} rules", hint="install great-expectations 1.24"
        )


def _exceptions(result: ExpectationValidationResult) -> list[dict[str, Any]]:
    """One or several infos, by kind of rule."""
    info = result.exception_info or {}
    return (
        [info]
        if "raised_exception" in info
        else [value for value in info.values() if isinstance(value, dict)]
    )


@cache
def _datasource(address: Address) -> Any:
    return _add_source(_context(), address)


def _context() -> Any:
    import great_expectations as gx  # noqa: TID251  here it is allowed

    context = gx.get_context(mode="ephemeral")
    quiet: Any = {"globally": False, "metric_calculations": False}
    context.variables.progress_bars = quiet
    return context


def _add_source(context: Any, address: Address) -> Any:
    """Not by its URL: GX puts that into messages, and refuses passwords with a blank or a $ in it."""
    # a session that the server has ended since the last batch is replaced, not stumbled over
    arguments: dict[str, Any] = {
        "connect_args": address.connect_args(),
        "pool_pre_ping": True,
        **gate_sql.ENGINE_OPTIONS,
    }
    source = context.data_sources.add_postgres(
        "conn", connection_string="postgresql+psycopg2://conn-etl@localhost/conn-etl", kwargs=arguments
    )
    # it makes two engines, and knows of no way to prepare their sessions
    for engine in (source.get_engine(), source.get_execution_engine().engine):
        address.prepare_sessions_of(engine)
        gate_sql.write_cheaply(engine)
    return source


def data_docs(address: Address, table: str, wanted: Sequence[Rule], folder: Path) -> Path:
    """Write Great Expectations' own pages on a table, all its rules in one suite; returns their index.

    They load styles and fonts from the web, which is why our own report exists.
    """
    load()
    import great_expectations as gx  # noqa: TID251  here it is allowed

    context = _context()
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site: Any = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    context.add_data_docs_site("local", site)
    schema, _, name = table.partition(".")
    source = _add_source(context, address.setting(search_path=schema))
    asset = source.add_table_asset(name, table_name=name)
    batch = asset.add_batch_definition_whole_table("all")
    suite = context.suites.add(gx.ExpectationSuite(name="conn", expectations=[r.definition for r in wanted]))
    checked = gx.ValidationDefinition(name="conn", data=batch, suite=suite)
    context.validation_definitions.add(checked).run()
    context.build_data_docs()
    return folder / "index.html"
