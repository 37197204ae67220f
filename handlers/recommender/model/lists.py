"""Lists: whose scores order them, what they may hold, and what they say of each movie."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from msgspec import UNSET
from torch import Tensor
from torch.nn.functional import normalize

from ..api.jobs import Job, Limits
from . import people
from .archive import Archive
from .catalogue import top
from .explain import Explainer
from .list_ranker import History

MOST_SCORES = 1 << 24  # scores of lists held at once: 64 MiB


class Lists:
    """Makes the lists of recommended and of similar movies from one archive.

    ``score_pairs``: raw scores [pairs] of aligned encodings [pairs, D].
    """

    def __init__(
        self, archive: Archive, limits: Limits, device: torch.device, score_pairs: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self.archive = archive
        self.score_pairs = score_pairs
        self.limits = limits
        self.device = device
        self.explainer = Explainer(archive, device)
        counts = archive.catalogue.counts
        self.trust = torch.from_numpy(counts / (counts + archive.metadata.similarity_shrinkage)).float().to(device)

    def recommended(self, jobs: Sequence[Job], users: Tensor) -> list[list[dict[str, Any]]]:
        """A list for each of so many users, encoded as [jobs, D]."""
        block = max(1, MOST_SCORES // len(self.archive.movies))
        blocks = range(0, len(jobs), block)
        return [one for at in blocks for one in self._recommended(jobs[at : at + block], users[at : at + block])]

    def similar(self, job: Job, described: Tensor | None = None) -> list[dict[str, Any]]:
        """The movies that the raters of the one asked for rate too.

        Of a movie that nobody has rated, and of ``described`` [width], the vector of one of which only features are
        known: those nearest to it by their features.
        """
        scores = self._alike(job.movie_row) if described is None else self._like_described(described)
        (rows,) = top(scores.unsqueeze(0).clone(), [self._left_out(job, [job.movie_row])], [self.length(job)])
        listed = scores[torch.from_numpy(rows).to(self.device)].cpu().numpy().astype(np.float64).round(6)
        return self._entries(rows, listed)

    def length(self, job: Job) -> int:
        """How many entries a request may have."""
        return 10 if job.request.k is UNSET else min(job.request.k, self.limits.max_k)

    def _alike(self, row: int) -> Tensor:
        rank, directions = self.archive.rank, self.archive.arrays["item_directions"]
        if rank is not None and rank.alike[row].any():
            return rank.alike @ rank.alike[row]
        if self.archive.metadata.movie_features.fields and not self.archive.catalogue.counts[row]:
            directions = self._by_features[1]
        return (directions @ directions[row]) * self.trust

    def _like_described(self, vector: Tensor) -> Tensor:
        centre, directions = self._by_features
        return (directions @ normalize(vector - centre, dim=0)) * self.trust

    @cached_property
    def _by_features(self) -> tuple[Tensor, Tensor]:
        """What the model makes of features alone: the average movie [width], and which way each lies from it.

        The latter as unit vectors [movies, width]. From zero all lie the same way, and what is like a described comedy
        would be like any other description.
        """
        archive, network = self.archive, self.archive.network
        features, weights = (archive.arrays[f"movie_{part}"].to(self.device) for part in ("features", "weights"))
        unknown = network.own_items(torch.zeros(len(features), dtype=torch.int64, device=self.device))
        vectors = network.encode_items(unknown, features, weights)[:, : archive.metadata.width]
        centre = self.trust @ vectors / self.trust.sum()
        return centre, normalize(vectors - centre, dim=1)

    def _recommended(self, jobs: Sequence[Job], users: Tensor) -> list[list[dict[str, Any]]]:
        archive = self.archive
        left_out = [self._left_out(job, *self._seen(job)) for job in jobs]
        order = self._order(jobs, users)
        chosen = top(order, left_out, [self.length(job) for job in jobs])
        # The scores of what is listed, all at once.
        sizes = torch.tensor([len(rows) for rows in chosen], device=self.device)
        rows = torch.from_numpy(np.concatenate(chosen)).to(self.device)
        items = archive.arrays["item_encodings"].index_select(0, rows)
        raw = self.score_pairs(users.repeat_interleave(sizes, dim=0), items)
        ends = np.cumsum([len(some) for some in chosen])[:-1]
        lists = [
            self._entries(some, scores)
            for some, scores in zip(chosen, np.split(archive.inverse_link(raw).cpu().numpy(), ends), strict=True)
        ]
        for at, (job, some, its) in enumerate(zip(jobs, chosen, raw.cpu().split(sizes.tolist()), strict=True)):
            if job.request.explain is True and len(some):
                listed = torch.from_numpy(some).to(self.device)
                by = None if archive.rank is None else order[at].index_select(0, listed).cpu()
                because = self.explainer.explain(job, listed, its, by)
                lists[at] = [entry | reasons for entry, reasons in zip(lists[at], because, strict=True)]
        return lists

    def _order(self, jobs: Sequence[Job], users: Tensor) -> Tensor:
        """What the lists are ordered by: [jobs, movies]."""
        if self.archive.rank is None:
            return self.archive.network.score_all(users, self.archive.arrays["item_encodings"])
        return self.archive.rank.score_all(people.encode(jobs, self.archive.arrays["rank_users"], self._rank_described))

    def _rank_described(self, jobs: Sequence[Job]) -> Tensor:
        """[jobs, R]: people who come with side features, ratings, or both."""
        features, weights = people.features_of(self.archive, jobs, self.device)
        return self.archive.rank.encode_users([_history(job) for job in jobs], features, weights)

    def _seen(self, job: Job) -> list[Any]:
        if job.request.exclude_seen is False:
            return []
        return [list(job.ratings), self.archive.seen(job.user_row)]

    def _left_out(self, job: Job, *rows: Any) -> np.ndarray:
        genres = None if job.request.genres is UNSET else job.request.genres
        return self.archive.catalogue.left_out(job.candidates, genres, job.exclude, *rows)

    def _entries(self, rows: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
        return list(map(self.archive.catalogue.entry, rows.tolist(), scores.tolist()))


def _history(job: Job) -> History:
    return np.array(list(job.ratings), dtype=np.int64), np.array(list(job.ratings.values()))
