import conn_etl.check  # says so if another package named etl hides conn-etl's
from etl.airflow.dags import conn_backfill, conn_ingest, conn_maintenance, conn_quality
