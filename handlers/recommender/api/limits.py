"""How much one request, and all requests of a batch, may ask for."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of an archive; set under ``handler:`` in ``model-config.yaml``.

    ``named_users``: how many user ids the description names, to whoever asks. None: 50 where ids
    are integers, none where they are strings, which may be e-mail addresses.
    """

    max_k: int = 1000
    max_instances: int = 1000
    max_ids: int = 10_000
    max_answer_bytes: int = 16_000_000
    max_batch_bytes: int = 32_000_000
    max_batch_seconds: float = 20.0
    named_users: Annotated[int, Meta(ge=0)] | None = None
