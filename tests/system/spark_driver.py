"""``spark_driver.py MASTER``: an application of Spark's that asks the files of the archive.

Reads one JSON object from its input: ``paths``, and ``questions``, name → SQL over the view ``conn``. Writes a line of
JSON for each event: ``ready``; ``progress`` of the last question when a part of its tasks is done; ``answer`` with its
rows and with the executors lost by then; ``executors`` at the end. Runs in Spark's own environment.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXECUTORS = 2
PART = 0.25
"""Of the last question's tasks, before ``progress``."""
CONFIGURATION = {
    "spark.cores.max": str(EXECUTORS),
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.executor.cores": "1",
    "spark.executor.memory": "512m",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "240s",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.files.maxPartitionBytes": "1m",
    "spark.sql.files.openCostInBytes": "1m",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.port": "0",
    "spark.ui.showConsoleProgress": "false",
}
"""PostgreSQL's SQL as it stands, one task for each small file, and a start when both executors are there."""


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}, default=str), flush=True)


def executors(session: SparkSession) -> list[dict[str, Any]]:
    """What Spark's own interface says of each executor that there was."""
    context = session.sparkContext
    address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/allexecutors"
    with urllib.request.urlopen(address) as answer:  # noqa: S310  on loopback
        return [one for one in json.load(answer) if one["id"] != "driver"]


def watch(session: SparkSession) -> None:
    """Tell of the running job once a part of its tasks is done."""
    tracker = session.sparkContext.statusTracker()
    while True:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info and PART * info.numTasks <= info.numCompletedTasks < info.numTasks:
                say("progress", done=info.numCompletedTasks, tasks=info.numTasks)
                return
        time.sleep(0.01)


def main(master: str) -> None:
    from pyspark.sql import SparkSession

    asked = json.load(sys.stdin)
    builder = SparkSession.builder.master(master).appName("conn-etl")
    for name, value in CONFIGURATION.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.read.parquet(*asked["paths"]).createOrReplaceTempView("conn")
    say("ready", spark=session.version, executors=len(executors(session)))
    *_, last = asked["questions"]
    for name, sql in asked["questions"].items():
        if name == last:
            threading.Thread(target=watch, args=(session,), daemon=True).start()
        start = time.monotonic()
        rows = [list(row) for row in session.sql(sql).collect()]
        seconds = time.monotonic() - start
        lost = sum(not one["isActive"] for one in executors(session))
        say("answer", question=name, rows=rows, seconds=seconds, lost=lost)
    say("executors", executors=executors(session))
    session.stop()


if __name__ == "__main__":
    main(sys.argv[1])
