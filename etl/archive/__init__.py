"""Sealed days as Parquet in an Apache Iceberg table, where engines that exist can ask them after retention.

PostgreSQL stays the judge: a day is exported from one snapshot of it, read back and compared before Iceberg sees it.
Needs the extra ``conn-etl[archive]``; its packages are imported inside functions only.
"""
