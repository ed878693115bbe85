"""The steps, composed: what the command does in one go, the DAG does task by task.

``stage``, ``validate`` and ``publish`` can each be entered alone, at any time, twice: what they need and do not find
(staging emptied by a crash, verdicts missing) they make again, and a batch whose files are final costs nothing.
"""

from etl.pipeline.discovered import Discovered, WaitingFile
from etl.pipeline.ingest import (
    TERMS,
    FileResult,
    Summary,
    attempts,
    ingest,
    try_out,
)
from etl.pipeline.runs import begin, discover, end, new_id
from etl.pipeline.steps import policy_of, publish, stage, validate
from etl.pipeline.unload import Unloading, unload, would_unload

__all__ = [
    "TERMS",
    "Discovered",
    "FileResult",
    "Summary",
    "Unloading",
    "WaitingFile",
    "attempts",
    "begin",
    "discover",
    "end",
    "ingest",
    "new_id",
    "policy_of",
    "publish",
    "stage",
    "try_out",
    "unload",
    "validate",
    "would_unload",
]
