"""TorchServe gives a request as a slot: a mapping of parameters by name."""

from collections.abc import Mapping
from typing import Any

from ...api.decode import Body, Form
from ...api.duplicates import Repeated


def body_of(slot: Mapping[str, Any]) -> Body:
    """The body in a slot: what stands under ``body`` or ``data``, or all of it as a form."""
    name = "body" if "body" in slot else "data"
    if name not in slot or isinstance(slot[name], Repeated):  # a form, or one that gives its body twice
        return Form(slot if name not in slot else {name: slot[name]})
    return slot[name]


def asks_for_description(slot: Mapping[str, Any], context: Any, index: int) -> bool:
    """Whether this is TorchServe's own describe call: its header and no body.

    With a body the header is a client's, and is ignored.
    """
    return not slot and context.get_request_header(index, "describe") == "True"
