"""The alerts in deploy/ are what Prometheus takes, and name metrics that conn-etl has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from etl.database.store import Store
from etl.monitoring import metrics

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "rules.yml"
PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_metric_that_a_rule_names_exists(store: Store) -> None:
    with store.session() as connection:
        families = {metric.name for metric in metrics.collect(connection, store.settings)}
    named = set(re.findall(r"conn_etl_\w+", RULES.read_text(encoding="utf-8")))
    known = families | {f"{name}_total" for name in families} | {"conn_etl_last_run_timestamp_seconds"}
    assert named <= known | {"conn_etl_disk_free_bytes"}
