"""zeek.conn, its lookup tables and the ledger."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file of this revision."""
    op.run_sql_file("0001_conn_and_ledger.sql")
