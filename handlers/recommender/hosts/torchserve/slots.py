"""TorchServe gives a request as a slot: a mapping of parameters by name."""

from collections.abc import Mapping
from typing import Any


def asks_for_description(slot: Mapping[str, Any], context: Any, index: int) -> bool:
    """Whether this is TorchServe's own describe call: its header and no body.

    With a body the header is a client's, and is ignored.
    """
    return not slot and context.get_request_header(index, "describe") == "True"
