"""Indexes for the catalogue's categories, a customer's orders, and the sales report."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_products_category", "products", "category"),
    ("ix_orders_customer_id", "orders", "customer_id"),
    ("ix_orders_placed_at", "orders", "placed_at"),
    ("ix_order_lines_order_id", "order_lines", "order_id"),
)


def upgrade() -> None:
    for name, table, column in INDEXES:
        op.create_index(name, table, [column])


def downgrade() -> None:
    for name, table, _column in reversed(INDEXES):
        op.drop_index(name, table_name=table)
