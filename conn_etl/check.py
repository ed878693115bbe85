"""Imported first by a DAG file: raises ImportError, in one sentence, where another package ``etl`` hides conn-etl's."""

from conn_etl import require_ours

require_ours()
