"""Stock of each product, in a table of its own: it changes far more often than the product."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.CheckConstraint("quantity >= 0", name="ck_stock_quantity"),
    )
    op.execute("INSERT INTO stock (product_id, quantity) SELECT id, 0 FROM products")


def downgrade() -> None:
    op.drop_table("stock")
