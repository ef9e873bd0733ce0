"""Receipts: a text for each paid order, kept in object storage (S3) and handed out by a link."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from shop.models import Order
from shop.orders import find_order


@dataclass(frozen=True)
class Receipts:
    """Writes receipts when it hears of an order.

    Attributes:
        storage: boto3's client; it finds server and keys in the environment.
    """

    sessions: sessionmaker[Session]
    storage: Any
    bucket: str

    def on_order_placed(self, message: Mapping[str, Any]) -> str:
        """Write the receipt of the order that the message is about; its key in the bucket.

        Raises:
            NotFoundError: There is no such order.
        """
        with self.sessions() as session:
            text = receipt(find_order(session, message["order"]))
        key = f"receipts/{message['order']}.txt"
        self.storage.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType="text/plain")
        return key


def receipt(order: Order) -> str:
    lines = [
        f"{line.quantity} x {line.product.sku}  {line.quantity * line.unit_price_cents / 100:.2f}"
        for line in order.lines
    ]
    return "\n".join([f"Order {order.id}", *lines, f"Total  {order.total_cents / 100:.2f}", ""])


def make_storage() -> Any:
    import boto3  # half a second, which only the worker spends

    return boto3.client("s3")
