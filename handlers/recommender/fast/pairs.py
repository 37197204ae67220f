"""The commonest request on a lane of its own: a user id and a movie id, alone or in ``instances``.

What the general flow (recommender.py) would answer, without a job for each: bodies are decoded into two-field structs,
and all pairs of a batch share one look-up, one forward pass and one conversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec import UNSET, Struct, UnsetType
from torch import Tensor

from ..api.contract import Id
from ..api.repeats import repeated
from ..hosts.torchserve.metrics import Batch
from ..model.archive import Archive
from .kernel import MOST_PAIRS, matching, scale_of
from .staging import Staging


class Pair(Struct, forbid_unknown_fields=True, gc=False):
    """A request for one score that has no other field."""

    user_id: Id
    movie_id: Id


class _Instances(Struct, forbid_unknown_fields=True):
    instances: list[Pair]


class ScoredPair(Struct, gc=False):
    """The answer to a pair."""

    user_id: Id
    movie_id: Id
    score: float
    unknown: list[str] | UnsetType = UNSET


_decode_pair = msgspec.json.Decoder(Pair).decode
_decode_instances = msgspec.json.Decoder(_Instances).decode
_MANY = b'{"instances"'
# No shorter body of a pair repeats a key, and most are shorter.
_SHORTEST_REPEATING = len(b'{"user_id":1,"user_id":1,"movie_id":1}')


def read(slot: Mapping[str, Any]) -> Pair | list[Pair] | None:
    """The pair, or the pairs of ``instances``, in one slot of a batch; None for everything else."""
    body = slot.get("body")
    if not isinstance(body, (bytes, bytearray)):
        return None
    try:
        # A guess by the first bytes; a wrong one leaves the body to the general flow, which answers the same.
        if body.startswith(_MANY):
            pairs = _decode_instances(body).instances
            return pairs if _once(body, pairs, 1) else None
        pair = _decode_pair(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # Counting colons costs a quarter of decoding, and calling _once costs half; short bodies skip both.
    return pair if len(body) < _SHORTEST_REPEATING or body.count(b":") == 2 or _once(body, [pair], 0) else None


def _once(body: bytes | bytearray, pairs: Sequence[Pair], beside: int) -> bool:
    """Whether the body of these pairs gives no key twice; it has ``beside`` keys that are not theirs."""
    more = body.count(b":") - 2 * len(pairs) - beside
    if not more:
        return True
    in_ids = sum(str(one).count(":") for pair in pairs for one in (pair.user_id, pair.movie_id))
    return (more == in_ids and b"\\" not in body) or repeated(body) is None


class PairScorer:
    """Scores pairs of one archive."""

    def __init__(self, archive: Archive, device: torch.device) -> None:
        self.archive = archive
        self.staging = Staging(device)
        encodings = archive.arrays["user_encodings"], archive.arrays["item_encodings"]
        kernel = matching(archive.network, *encodings)
        # Wide layers leave smaller blocks, in which torch is faster: 1,000 pairs take 0.7 ms, not 2.2 (256, 128 units).
        self.kernel = kernel if kernel and kernel.most == MOST_PAIRS else None
        self.scale = scale_of(archive.link)

    def score(self, pairs: Sequence[Pair], batch: Batch) -> list[ScoredPair]:
        """The answers in order, ids in the archive's own type and unknown ones named; times and counts to ``batch``."""
        users, user_rows = self.archive.users.look_up([pair.user_id for pair in pairs])
        movies, movie_rows = self.archive.movies.look_up([pair.movie_id for pair in pairs])
        batch.lap("Lookup")
        scores = self._forward(np.array([user_rows, movie_rows]))
        batch.lap("Forward")
        answers = list(map(ScoredPair, users, movies, scores.tolist()))
        if 0 in user_rows or 0 in movie_rows:
            for answer, user, movie in zip(answers, user_rows, movie_rows, strict=True):
                if not (user and movie):
                    answer.unknown = [name for name, row in (("user_id", user), ("movie_id", movie)) if not row]
                    batch.count("UnknownIds", len(answer.unknown))
                    batch.count("Fallbacks")
        batch.count("Instances", len(pairs))
        batch.scores.append(scores)
        return answers

    def raw(self, users: Tensor, items: Tensor) -> Tensor:
        """Raw scores float32 [pairs] of aligned encodings [pairs, D], added up as those of ``score`` are."""
        if self.kernel:
            return torch.from_numpy(self.kernel.scores(users.numpy(), items.numpy()))
        return self.archive.network.score_pairs(users, items)

    def _forward(self, rows: np.ndarray) -> np.ndarray:
        """Scores float64 [pairs] of user and movie rows int64 [2, pairs]: one copy to the device, one back."""
        if self.kernel:
            return self.scale(self.kernel.of_rows(rows))
        arrays = self.archive.arrays
        with torch.inference_mode():
            users, items = self.staging.inward(rows).unbind()
            raw = self.archive.network.score_pairs(
                arrays["user_encodings"].index_select(0, users), arrays["item_encodings"].index_select(0, items)
            )
            return self.staging.outward(self.archive.inverse_link(raw))
