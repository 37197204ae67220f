"""A Python client of the recommender. Copy this file, or ``pip install ./client``; it needs Python 3.11.

    recommender = Recommender("http://localhost:8080", model="fm")
    for movie in recommender.recommend(user_id=196, k=10).recommendations:
        print(movie.title, movie.score)

A field that an answer leaves out is ``msgspec.UNSET``, which is false in an ``if``.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, TypedDict, Unpack, get_args

import msgspec
import requests
import tenacity
from msgspec import UNSET, Struct, UnsetType
from urllib3.exceptions import ReadTimeoutError

Id = int | str
Feature = str | int | float | list[str] | None


class _UserFields(TypedDict, total=False):
    user_id: Id  # or ratings and/or user
    ratings: list[dict[str, Id | float]]  # of somebody new; beside user_id those that the model does not know yet
    user: dict[str, Feature]
    timestamp: int
    on_unknown: str  # "fallback" (the default) or "error"


class _MovieFields(TypedDict, total=False):
    movie_id: Id  # or movie, item_id or item
    movie: dict[str, Feature]
    item_id: Id
    item: dict[str, Feature]
    on_unknown: str


class _ListFields(TypedDict, total=False):
    k: int  # the most movies of the list; the server has a default
    exclude: list[Id]
    candidates: list[Id]
    genres: list[str]
    where: dict[str, Any]  # conditions on the archive's columns
    popularity_damping: float


class ScoreRequest(_UserFields, _MovieFields, total=False):
    """Which user, and which movie."""


class RecommendRequest(_UserFields, _ListFields, total=False):
    """For which user, or nobody in particular (only then ``recent_days`` and ``newest``), and out of which movies."""

    exclude_seen: bool
    diversity: float
    explore: float
    seed: int
    recent_days: int
    newest: bool
    explain: bool


class SimilarRequest(_MovieFields, _ListFields, total=False):
    """Similar to which movie, and out of which movies."""


class _OfMovie(Struct, kw_only=True):
    movie_id: Id | UnsetType = UNSET
    item_id: Id | UnsetType = UNSET

    @property
    def id(self) -> Id | UnsetType:
        """The id, which answers have under the word of the log: movie_id or item_id."""
        return self.item_id if self.movie_id is UNSET else self.movie_id


class Score(_OfMovie, kw_only=True):
    """The score of one user and one movie."""

    user_id: Id | UnsetType = UNSET
    movie: dict[str, Feature] | UnsetType = UNSET
    item: dict[str, Feature] | UnsetType = UNSET
    score: float
    unknown: list[str] = []


class Movie(_OfMovie, kw_only=True):
    """A movie of the catalogue. A catalogue of items has year, genres and attributes where any of its items has."""

    title: str | None
    year: int | UnsetType | None = UNSET
    genres: list[str] | UnsetType = UNSET
    attributes: dict[str, bool | int | float | str | list[str]] | UnsetType = UNSET


class Reason(_OfMovie, kw_only=True):
    """What moved a number: a rated movie, a side feature of the user, what is true of everybody, or the remainder."""

    title: str | UnsetType | None = UNSET
    feature: str | UnsetType = UNSET
    everybody: bool | UnsetType = UNSET
    remainder: bool | UnsetType = UNSET
    share: float


class ScoredMovie(Movie, kw_only=True):
    """An entry. ``explain``: ``rank_because`` adds up to the number of its place, ``because`` to ``personal``."""

    score: float
    ratings: int | UnsetType = UNSET  # for nobody in particular: how often it was rated (in that time)
    added: int | UnsetType = UNSET  # with newest: when it came, in seconds since 1970
    explored: bool | UnsetType = UNSET  # true where it comes from exploration
    personal: float | UnsetType = UNSET
    because: list[Reason] | UnsetType = UNSET
    rank_score: float | UnsetType = UNSET
    rank_because: list[Reason] | UnsetType = UNSET


class Recommendations(Struct, kw_only=True):
    """The best movies for somebody, best first."""

    user_id: Id | UnsetType = UNSET
    recommendations: list[ScoredMovie]
    unknown: list[str] = []


class Similar(_OfMovie, kw_only=True):
    """The movies most like one, most like first."""

    movie: dict[str, Feature] | UnsetType = UNSET
    item: dict[str, Feature] | UnsetType = UNSET
    similar: list[ScoredMovie]
    unknown: list[str] = []


class RatedMovie(_OfMovie, kw_only=True):
    """A movie that a user has rated; without ``rating`` it was a like."""

    title: str | None
    rating: float | UnsetType = UNSET


class History(Struct, kw_only=True):
    """What a user of the training log has rated, by movie id."""

    user_id: Id
    history: list[RatedMovie]
    unknown: list[str] = []


class CatalogueMovie(Movie, kw_only=True):
    """A movie, how often it was rated, and its place on a plane on which similar movies lie close (-1 to 1)."""

    ratings: int
    x: float
    y: float


class Catalogue(Struct, kw_only=True):
    """A page of the movies of the archive, by movie id; ``total`` is how many there are on all pages."""

    catalogue: list[CatalogueMovie]
    total: int


AnyAnswer = Score | Recommendations | Similar | History | Catalogue
ANSWERS = {answer.__name__.lower(): answer for answer in get_args(AnyAnswer)}  # by the field that no other answer has


class Error(Struct):
    """Why there is no answer; the message names the field, the value and the remedy."""

    code: int
    type: str
    message: str


class RecommenderError(Exception):
    """An answer that is an error: ``code`` is its HTTP status, ``type`` its name, ``message`` says what to do."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code} {error.type}: {error.message}")
        self.code, self.type, self.message = error.code, error.type, error.message


PAGE, MOST_INSTANCES, MOST_BYTES = 1000, 1000, 1_048_576  # an archive's max_k, max_instances; max_request_size

# Sent again, as the gateway does, and as after a broken connection. What timed out is not: the server works on it.
ASK_AGAIN = {
    500: "a worker died while it had the request (or the server has a fault, which is met again)",
    503: "the queue is full, or no worker is up yet",
    507: "a worker was killed while it had the request, mostly for memory",
}


def _is_broken(error: BaseException) -> bool:
    slow = isinstance(error, requests.Timeout) or any(isinstance(cause, ReadTimeoutError) for cause in error.args)
    # requests calls a time limit that is met inside an answer a broken connection as well.
    return isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) and not slow


class Recommender(ExitStack):
    """Asks one model (and one ``version`` of it, the server's default if None) of a server.

    ``timeout``: seconds for connecting and for each wait for bytes; a request that exceeds it is not sent again. After
    a status of ``ASK_AGAIN`` or a broken connection it is sent again, at most ``retries`` times, after random waits of
    up to ``longest_wait`` seconds; then RecommenderError or requests' own is raised. One Recommender per thread.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        version: str | None = None,
        token: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        longest_wait: float = 5.0,
    ) -> None:
        super().__init__()
        self.url = "/".join(filter(None, [url.rstrip("/"), "predictions", model, version]))
        self.timeout = timeout
        self.session = self.enter_context(requests.Session())  # ``close``, or the end of a ``with``, closes it
        self.session.headers["Content-Type"] = "application/json"
        self.session.headers["Authorization"] = f"Bearer {token}" if token else None  # requests sends no None
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_broken)
            | tenacity.retry_if_result(lambda it: it.status_code in ASK_AGAIN),
            stop=tenacity.stop_after_attempt(1 + retries),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=longest_wait),
            retry_error_callback=lambda state: state.outcome.result(),  # the last response, or its exception raised
        )

    def score(self, **request: Unpack[ScoreRequest]) -> Score:
        """The score of a pair: ``score(user_id=196, movie_id=242)``."""
        return self._ask(request, Score)

    def recommend(self, **request: Unpack[RecommendRequest]) -> Recommendations:
        """The best movies for somebody: ``recommend(user_id=196, k=10)``; ``recommend(k=10)`` for what is popular."""
        return self._ask(request, Recommendations)

    def similar(self, **request: Unpack[SimilarRequest]) -> Similar:
        """Movies like one: ``similar(movie_id=50, k=10)``."""
        return self._ask(request, Similar)

    def history(self, user_id: Id, *, on_unknown: str = "fallback") -> History:
        """What a user has rated."""
        return self._ask({"user_id": user_id, "history": True, "on_unknown": on_unknown}, History)

    def catalogue(self, offset: int = 0, k: int = PAGE) -> Catalogue:
        """One page of the movies."""
        return self._ask({"catalogue": True, "offset": offset, "k": k}, Catalogue)

    def many(self, instances: Iterable[Any]) -> list[AnyAnswer | RecommenderError]:
        """The answers to requests of any kind, in order; an error is not raised, it stands in its answer's place."""
        return self._many(list(map(msgspec.json.encode, instances)))

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request of any kind, as the server sent it."""
        return self._ask(request, dict)

    def _ask(self, request: Any, answer: type) -> Any:
        body = msgspec.json.encode(request)
        response = self._retrying(self.session.post, self.url, data=body, timeout=self.timeout)
        if not response.ok:
            raise RecommenderError(_error(response))
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RecommenderError(Error(response.status_code, "NotAnAnswer", response.text[:200])) from None

    def _many(self, instances: list[bytes]) -> list[AnyAnswer | RecommenderError]:
        size = sum(map(len, instances)) + len(instances) + len('{"instances":[]}')
        if len(instances) <= 1 or (len(instances) <= MOST_INSTANCES and size <= MOST_BYTES):
            try:
                answers = self._ask({"instances": list(map(msgspec.Raw, instances))}, dict)
                return list(map(_answer_to_instance, answers["predictions"]))
            except RecommenderError as error:  # the server's limits are lower, or the answers are too large together
                if error.code != 413 or not instances:
                    raise
                if len(instances) == 1:
                    return [error]
        half = len(instances) // 2  # what is too large for one request is sent in halves, one after the other
        return self._many(instances[:half]) + self._many(instances[half:])


def _answer_to_instance(prediction: dict[str, Any]) -> AnyAnswer | RecommenderError:
    if "error" in prediction:
        return RecommenderError(msgspec.convert(prediction["error"], Error))
    return msgspec.convert(prediction, next(kind for field, kind in ANSWERS.items() if field in prediction))


def _error(response: requests.Response) -> Error:
    try:
        return msgspec.json.decode(response.content, type=Error)
    except (msgspec.DecodeError, UnicodeDecodeError):  # from TorchServe, which says nothing, or from a proxy
        return Error(response.status_code, response.reason or "Error", response.text[:200])
