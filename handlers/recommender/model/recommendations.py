"""Lists for users: which scores order them, which movies they may hold, and the score of each entry."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .explain import Explainer
from .query import RankedList, Selection, UserQuery

if TYPE_CHECKING:
    from .model import Model


class Recommendations:
    """Makes lists of recommended movies from one model."""

    def __init__(self, model: "Model", explainer: Explainer) -> None:
        self._model = model
        self._explainer = explainer

    def make(
        self, users: Sequence[UserQuery], selections: Sequence[Selection], explained: Sequence[bool]
    ) -> list[RankedList]:
        """A list for each user, best first; ``explained``: with the reasons of its entries."""
        size = self._model.lists_at_once
        blocks = (slice(start, start + size) for start in range(0, len(users), size))
        return [
            ranked for block in blocks for ranked in self._make_block(users[block], selections[block], explained[block])
        ]

    def _make_block(
        self, users: Sequence[UserQuery], selections: Sequence[Selection], explained: Sequence[bool]
    ) -> list[RankedList]:
        model = self._model
        encodings = model.encode_users(users)
        order = self._order(users, encodings)
        excluded = [self._excluded(user, selection) for user, selection in zip(users, selections, strict=True)]
        rows, explored = model.lists.make(order, excluded, selections, [user.row for user in users])
        # The scores of all lists' entries in one pass.
        lengths = [len(list_rows) for list_rows in rows]
        all_rows = torch.from_numpy(np.concatenate(rows)).to(model.device)
        items = model.arrays["item_encodings"].index_select(0, all_rows)
        repeated = encodings.repeat_interleave(torch.tensor(lengths, device=model.device), dim=0)
        raw = model.score_pairs(repeated, items)
        scores = np.split(model.inverse_link(raw).cpu().numpy(), np.cumsum(lengths)[:-1])
        lists = [RankedList(*parts, explored=places) for *parts, places in zip(rows, scores, explored, strict=True)]
        for position, raw_scores in enumerate(raw.cpu().split(lengths)):
            if explained[position] and lengths[position]:
                entries = torch.from_numpy(rows[position]).to(model.device)
                numbers = None if model.ranker is None else order[position].index_select(0, entries).cpu()
                reasons = self._explainer.explain(users[position], entries, raw_scores, numbers)
                lists[position] = lists[position]._replace(personal=reasons[0], order=reasons[1])
        return lists

    def _order(self, users: Sequence[UserQuery], encodings: Tensor) -> Tensor:
        """The numbers that order the lists: [B, movies]."""
        model = self._model
        if model.ranker is None:
            return model.network.score_all(encodings, model.arrays["item_encodings"])
        histories = [model.history(user) for user in users]
        return model.ranker.score_all(model.ranker.encode_users(histories, *model.features_of_queries(users)))

    def _excluded(self, user: UserQuery, selection: Selection) -> np.ndarray:
        seen = (list(user.ratings), self._model.seen(user.row)) if selection.exclude_seen else ()
        return self._model.catalogue.excluded(selection, *seen)
