"""Orders know what was taken off, payments what was given back."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("subtotal_cents", sa.Integer, nullable=True))
    op.add_column("orders", sa.Column("discount_cents", sa.Integer, nullable=True))
    # There were no discounts before this step.
    op.execute("UPDATE orders SET subtotal_cents = total_cents, discount_cents = 0")
    with op.batch_alter_table("orders") as orders:
        orders.alter_column("subtotal_cents", existing_type=sa.Integer, nullable=False)
        orders.alter_column("discount_cents", existing_type=sa.Integer, nullable=False)
    op.add_column("payments", sa.Column("refunded_cents", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("payments") as payments:
        payments.drop_column("refunded_cents")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("discount_cents")
        orders.drop_column("subtotal_cents")
