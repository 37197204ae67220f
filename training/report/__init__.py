"""From ``build/<model>/`` to one HTML page that holds everything it shows: ``python -m training report``."""

from .page import write

__all__ = ["write"]
