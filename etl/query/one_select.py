"""Whether SQL is one SELECT and nothing else, by PostgreSQL's own grammar (libpg_query, in the package postgast).

This is for a clear message. What a question cannot do is decided by the login and the session that it runs in.
"""

from __future__ import annotations

from collections.abc import Mapping

from etl.errors import Misuse

_HINT = "give one SELECT; `conn-etl psql` opens a session of the same login for the rest"
_REFUSED: Mapping[str, str] = {
    "IntoClause": "a question makes no table (SELECT INTO)",
    "InsertStmt": "a question changes no rows",
    "UpdateStmt": "a question changes no rows",
    "DeleteStmt": "a question changes no rows",
    "MergeStmt": "a question changes no rows",
}
"""Parts of a tree that a SELECT can have and a question cannot."""


def require_one_select(sql: str) -> None:
    """Accept one SELECT (also WITH, VALUES and TABLE) that neither makes a table nor changes rows.

    Args:
        sql: the text exactly as the server will get it, values included.

    Raises:
        Misuse: it is something else, or no SQL.
    """
    import postgast

    try:
        statements = postgast.parse(sql).stmts
    except postgast.PgQueryError as error:
        said = str(error).partition("\n")[0]
        raise Misuse(said, hint="`conn-etl query` without a name lists the questions there are") from error
    kinds = [str(one.stmt.WhichOneof("node")).removesuffix("_stmt") for one in statements]
    if kinds != ["select"]:
        raise Misuse(f"a question is one SELECT, and this is {', '.join(kinds) or 'nothing'}", hint=_HINT)
    for _, node in postgast.walk(statements[0]):
        if (why := _REFUSED.get(type(node).__name__)) is not None:
            raise Misuse(why, hint=_HINT)
