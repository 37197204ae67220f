"""A shortcut for the most frequent request: a user id and a movie id, alone or in ``instances``.

The answers are those of ``Service.answer``, without a job for each: bodies are decoded into structs of two fields, and
all pairs of a batch share one look-up, one forward pass and one conversion.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec import UNSET, Struct, UnsetType
from torch import Tensor

from ..api import metrics
from ..api.answers import Answer, answer_of
from ..api.decode import Body
from ..api.duplicates import repeated
from ..api.limits import Limits
from ..api.metrics import BatchCounts
from ..api.requests import Id
from ..model.model import Model
from .kernel import BLOCK_SIZE, inverse_link_of, matching
from .staging import Staging

logger = logging.getLogger(__name__)


class Pair(Struct, forbid_unknown_fields=True, gc=False):
    """A request for one score that has no other field."""

    user_id: Id
    movie_id: Id


class ItemPair(Struct, forbid_unknown_fields=True, gc=False, rename={"movie_id": "item_id"}):
    """The same in the contract's other word."""

    user_id: Id
    movie_id: Id


class _Instances(Struct, forbid_unknown_fields=True):
    instances: list[Pair]


class _ItemInstances(Struct, forbid_unknown_fields=True):
    instances: list[ItemPair]


class ScoredPair(Struct, gc=False):
    """The answer to a pair."""

    user_id: Id
    movie_id: Id
    score: float
    unknown: list[str] | UnsetType = UNSET


class ScoredItemPair(Struct, gc=False, rename={"movie_id": "item_id"}):
    """The same in the contract's other word."""

    user_id: Id
    movie_id: Id
    score: float
    unknown: list[str] | UnsetType = UNSET


AnyPair = Pair | ItemPair
PAIRS = {Pair, ItemPair}
SCORED = {"movie": ScoredPair, "item": ScoredItemPair}  # by the word of the log

Read = Callable[[Body], AnyPair | list[AnyPair] | None]

_MANY = b'{"instances"'
# No shorter body of a pair repeats a key, and most are shorter.
_SHORTEST_REPEATING = len(b'{"user_id":1,"user_id":1,"item_id":1}')


def reader_of(word: str) -> Read:
    """What gives the pair, or the pairs of ``instances``, in a body; None for everything else.

    It takes both words of the contract; ``word``, that of the log, is tried first.
    """
    movies, items = (Pair, _Instances), (ItemPair, _ItemInstances)
    own, other, others_name = (items, movies, b'"movie_id"') if word == "item" else (movies, items, b'"item_id"')
    return _reader(*own, _reader(*other), others_name)


def _reader(pair: type[AnyPair], instances: type[Struct], other: Read | None = None, others_name: bytes = b"") -> Read:
    """Reads one word of the contract. A body that it cannot read, and that has ``others_name``, goes to ``other``."""
    decode_pair, decode_instances = (msgspec.json.Decoder(kind).decode for kind in (pair, instances))

    def read(body: Body) -> AnyPair | list[AnyPair] | None:
        if not isinstance(body, (bytes, bytearray)):
            return None
        try:
            # A guess by the first bytes. A wrong guess leaves the body to the service, which gives the same answer.
            if body.startswith(_MANY):
                pairs = decode_instances(body).instances
                return pairs if _has_no_duplicates(body, pairs, 1) else None
            found = decode_pair(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return other(body) if other and others_name in body else None
        # Counting colons costs a quarter of decoding, and the call of a function half; short bodies skip both.
        if len(body) < _SHORTEST_REPEATING or body.count(b":") == 2:
            return found
        return found if _has_no_duplicates(body, [found], 0) else None

    return read


def _has_no_duplicates(body: bytes | bytearray, pairs: Sequence[AnyPair], other_keys: int) -> bool:
    """Whether the body of these pairs gives no key twice; ``other_keys`` of its keys are not those of pairs."""
    surplus = body.count(b":") - 2 * len(pairs) - other_keys
    if not surplus:
        return True
    in_ids = sum(str(raw).count(":") for pair in pairs for raw in (pair.user_id, pair.movie_id))
    return (surplus == in_ids and b"\\" not in body) or repeated(body) is None


class PairScorer:
    """Scores pairs of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._scored, self._movie_id = SCORED[model.metadata.words.field], model.metadata.words.id
        self.staging = Staging(model.device)
        encodings = model.arrays["user_encodings"], model.arrays["item_encodings"]
        kernel = matching(model.network, *encodings)
        # Wide layers leave smaller blocks, in which torch is faster: 1,000 pairs take 0.7 ms, not 2.2 (256, 128 units).
        self.kernel = kernel if kernel and kernel.block_size == BLOCK_SIZE else None
        self.inverse_link = inverse_link_of(model.link)

    def score(self, pairs: Sequence[AnyPair], counts: BatchCounts) -> list[ScoredPair | ScoredItemPair]:
        """The answers in order, with ids in the archive's own type and unknown ones named. Adds to ``counts``."""
        users, user_rows = self.model.users.look_up([pair.user_id for pair in pairs])
        movies, movie_rows = self.model.movies.look_up([pair.movie_id for pair in pairs])
        counts.lap(metrics.LOOKUP_TIME)
        rows = np.array([user_rows, movie_rows])
        scores = self.score_rows(rows)
        counts.lap(metrics.FORWARD_TIME)
        answers = list(map(self._scored, users, movies, scores.tolist()))
        if not rows.all():
            for answer, user, movie in zip(answers, *rows.tolist(), strict=True):
                if not (user and movie):
                    answer.unknown = [name for name, row in (("user_id", user), (self._movie_id, movie)) if not row]
                    counts.add(metrics.UNKNOWN_IDS, len(answer.unknown))
                    counts.add(metrics.FALLBACKS)
        counts.add(metrics.INSTANCES, len(pairs))
        counts.scores.append(scores)
        return answers

    def score_encodings(self, users: Tensor, items: Tensor) -> Tensor:
        """Raw scores float32 [pairs] of aligned encodings [pairs, D], added up as those of ``score_rows`` are."""
        if self.kernel:
            return torch.from_numpy(self.kernel.score(users.numpy(), items.numpy()))
        return self.model.network.score_pairs(users, items)

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        """Scores float64 [pairs] of user and movie rows int64 [2, pairs]: one copy to the device, one back."""
        if self.kernel:
            return self.inverse_link(self.kernel.score_rows(rows))
        arrays = self.model.arrays
        with torch.inference_mode():
            users, items = self.staging.to_device(rows).unbind()
            raw = self.model.network.score_pairs(
                arrays["user_encodings"].index_select(0, users), arrays["item_encodings"].index_select(0, items)
            )
            return self.staging.to_host(self.model.inverse_link(raw))


class PairShortcut:
    """Answers the bodies of a batch that are pairs alone."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self.scorer = PairScorer(model)
        self._limits = limits
        self._read = reader_of(model.metadata.words.field)

    def answer(self, bodies: Sequence[Body], counts: BatchCounts) -> list[Answer | None]:
        """The answers to bodies that are pairs alone, None in the place of all others."""
        requests = list(map(self._read, bodies))
        single = set(map(type, requests)) <= PAIRS  # what most batches are
        groups = [] if single else [self._group(request) for request in requests]
        pairs = requests if single else [pair for group in groups for pair in group]
        counts.lap(metrics.DECODE_TIME)
        if not pairs:
            return [None] * len(bodies)
        try:
            scored = self.scorer.score(pairs, counts)
            max_bytes = self._limits.max_answer_bytes
            if single:
                answers: list[Answer | None] = [answer_of(pair, max_bytes) for pair in scored]
            else:
                answers = self._answer_groups(requests, groups, iter(scored), counts)
        except Exception:
            logger.exception("a batch of %d pairs failed", len(pairs))
            return [None] * len(bodies)
        counts.lap(metrics.ENCODE_TIME)
        return answers

    def _group(self, request: AnyPair | list[AnyPair] | None) -> list[AnyPair]:
        """The pairs of one body; none where instances are too many, which the service refuses."""
        if isinstance(request, AnyPair):
            return [request]
        return request if request and len(request) <= self._limits.max_instances else []

    def _answer_groups(
        self,
        requests: Sequence[Any],
        groups: Sequence[list[AnyPair]],
        scored: Iterator[ScoredPair],
        counts: BatchCounts,
    ) -> list[Answer | None]:
        answers: list[Answer | None] = []
        for request, group in zip(requests, groups, strict=True):
            predictions = list(islice(scored, len(group)))
            if not predictions:
                answers.append(None)
                continue
            value = predictions[0] if isinstance(request, AnyPair) else {"predictions": predictions}
            answer = answer_of(value, self._limits.max_answer_bytes)
            if answer.code != 200:  # refused as a whole
                counts.add(metrics.ERRORS, len(predictions), str(answer.code))
            answers.append(answer)
        return answers
