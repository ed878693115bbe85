"""What differs between Airflow 3.1, 3.2 and 3.3, under the names of the newest; the other modules import from here.

What 3.1 lacks in ``airflow.sdk`` is in Airflow's core there, under the same name. 3.3 has retry policies: we do without
(``etl.airflow.steps.final`` does the same on all three).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, CronTriggerTimetable
    from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
except ImportError:  # 3.1
    if not TYPE_CHECKING:
        from airflow.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
        from airflow.timetables.assets import AssetOrTimeSchedule
        from airflow.timetables.interval import CronDataIntervalTimetable
        from airflow.timetables.trigger import CronTriggerTimetable

    BACKOFF: float = True
    """Retries wait twice as long each time; 3.1 knows yes and no only."""
else:
    BACKOFF = 2.0

__all__ = [
    "BACKOFF",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "AssetOrTimeSchedule",
    "CronDataIntervalTimetable",
    "CronTriggerTimetable",
]
