"""Customers have a role, products a category, stock a level at which to order again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("role", sa.String(16), nullable=False, server_default="customer"))
    op.add_column("products", sa.Column("category", sa.String(60), nullable=False, server_default=""))
    op.add_column("stock", sa.Column("reorder_level", sa.Integer, nullable=False, server_default="5"))


def downgrade() -> None:
    with op.batch_alter_table("stock") as stock:
        stock.drop_column("reorder_level")
    with op.batch_alter_table("products") as products:
        products.drop_column("category")
    with op.batch_alter_table("customers") as customers:
        customers.drop_column("role")
