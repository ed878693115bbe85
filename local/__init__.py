"""What `make run` and `make up` start; beside `dags/` and `plugins/` the only code that imports Airflow."""
