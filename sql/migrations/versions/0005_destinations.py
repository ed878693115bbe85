"""The addresses that were called on each sealed day."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file of this revision."""
    op.run_sql_file("0005_destinations.sql")
