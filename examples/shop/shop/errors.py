"""What can go wrong for a caller, and the HTTP status that says so."""


class ShopError(Exception):
    """A refusal that the caller can understand and act on."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotSignedIn(ShopError):
    status = 401


class PaymentDeclined(ShopError):
    status = 402


class NotAllowed(ShopError):
    status = 403


class NotFound(ShopError):
    status = 404


class Conflict(ShopError):
    status = 409


class BadContent(ShopError):
    status = 422


class PaymentUnavailable(ShopError):
    status = 503
