"""conn-etl inside Airflow 3.1 to 3.3: the DAGs, and the page in the UI. The only room of ``etl`` that imports Airflow.

A DAG file takes the DAGs from ``etl.airflow.dags``; the page comes by the entry point ``airflow.plugins``. What differs
between Airflow's versions stands in ``etl.airflow.versions`` and nowhere else.
"""
