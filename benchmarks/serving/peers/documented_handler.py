"""A handler as TorchServe's documentation writes them: its base class, and three steps of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from recommender.model.embeddings import embeddings_of
from recommender.model.model import Model
from ts.torch_handler.base_handler import BaseHandler

Batch = tuple[list[int], list[int]]


class DocumentedHandler(BaseHandler):
    """Scores a batch of pairs, decoded by TorchServe."""

    @torch.no_grad()
    def initialize(self, context: Any) -> None:
        torch.set_num_threads(1)
        self.device = torch.device("cpu")
        self.context = context
        self.model = model = Model.load(Path(context.system_properties["model_dir"]), self.device)
        encodings = model.arrays["user_encodings"]
        features = model.features_of(torch.arange(len(encodings)))
        self.embeddings = embeddings_of(model.network.encode_users, encodings, *features, model.metadata.width)
        self.initialized = True

    def preprocess(self, data: Sequence[Mapping[str, Any]]) -> Batch:
        bodies = [request["body"] for request in data]
        return [body["user_id"] for body in bodies], [body["movie_id"] for body in bodies]

    @torch.no_grad()
    def inference(self, data: Batch, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        model = self.model
        rows, movie_rows = (
            torch.tensor(ids.to_rows(side)) for ids, side in zip((model.users, model.movies), data, strict=True)
        )
        users = model.network.encode_users(self.embeddings[rows], *model.features_of(rows))
        items = model.arrays["item_encodings"].index_select(0, movie_rows)
        scores = model.inverse_link(model.network.score_pairs(users, items)).tolist()
        return [
            {"user_id": user, "movie_id": movie, "score": score}
            for user, movie, score in zip(*data, scores, strict=True)
        ]

    def postprocess(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return data
