"""A form as the service takes it. A form may carry a whole body in one of its fields, as an uploaded file does."""

from collections.abc import Mapping
from typing import Any

from ..api.decode import Body, Form
from ..api.duplicates import Repeated


def body_of(fields: Mapping[str, Any]) -> Body:
    """The body in a form: what stands under ``body`` or ``data``, or all of it as a form."""
    name = "body" if "body" in fields else "data"
    if name not in fields or isinstance(fields[name], Repeated):  # a form, or one that gives its body twice
        return Form(fields if name not in fields else {name: fields[name]})
    return fields[name]
