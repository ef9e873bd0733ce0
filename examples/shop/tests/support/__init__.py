"""What the tests need beside the shop: databases, seeds, a stub of the payment provider, polling."""
