"""Alembic's entry point: each revision runs the SQL file of its name, as the owner of the schemas."""

from pathlib import Path

from alembic import context
from alembic.operations import MigrateOperation, Operations


@Operations.register_operation("run_sql_file")
class RunSqlFile(MigrateOperation):
    """``op.run_sql_file(name)``: the statements of ``sql/migrations/<name>``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def run_sql_file(cls, operations: Operations, name: str) -> None:
        """Run one SQL file in the migration's transaction."""
        operations.invoke(cls(name))


@Operations.implementation_for(RunSqlFile)
def run_sql_file(operations: Operations, operation: RunSqlFile) -> None:
    """Send the file as it is: no parameter style may read meaning into its text."""
    sql = (Path(__file__).parent / operation.name).read_text(encoding="utf-8")
    operations.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table_schema="etl", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
