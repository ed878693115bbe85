"""What `make run` and `make up` start; beside `etl/airflow/` the only code that imports Airflow."""
