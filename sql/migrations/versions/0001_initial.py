"""The schema of the first release."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file of this revision."""
    op.run_sql_file("0001_initial.sql")
