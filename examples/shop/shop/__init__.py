"""A small web shop: catalogue, cart, checkout, refunds, stock and reports."""
