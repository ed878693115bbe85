"""The command ``conn-etl``: the same pipeline as the DAGs, without Airflow.

Exit codes: 0 fine, also with quarantined rows; 1 a file became refused or failed in this call; 2 no conn log in
anything given, misuse, or the environment. With ``--json`` stdout holds one object and nothing else.
"""

from etl.cli.app import main

__all__ = ["main"]
