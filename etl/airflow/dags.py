"""The DAGs: a DAG file in Airflow's folder gets those that it imports from here."""

from etl.airflow import ingest, maintenance, quality

conn_ingest = ingest.conn_ingest()
conn_backfill = ingest.conn_backfill()
conn_maintenance = maintenance.conn_maintenance()
conn_quality = quality.conn_quality()

__all__ = ["conn_backfill", "conn_ingest", "conn_maintenance", "conn_quality"]
