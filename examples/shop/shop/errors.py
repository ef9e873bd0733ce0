"""What can go wrong for a caller, and the HTTP status that says so."""


class ShopError(Exception):
    """A refusal that the caller can understand and act on."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotSignedInError(ShopError):
    status = 401


class PaymentDeclinedError(ShopError):
    status = 402


class NotAllowedError(ShopError):
    status = 403


class NotFoundError(ShopError):
    status = 404


class ConflictError(ShopError):
    status = 409


class BadContentError(ShopError):
    status = 422


class PaymentUnavailableError(ShopError):
    status = 503
