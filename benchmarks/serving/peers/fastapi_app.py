"""FastAPI as its documentation writes it: a pydantic model in, a dict out."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from .network import scorer

app = FastAPI()
network = scorer()


class Pair(BaseModel):
    user_id: int
    movie_id: int


@app.post("/predict")
async def predict(pair: Pair) -> dict[str, float]:
    (score,) = network.scores([pair.user_id], [pair.movie_id])
    return {"user_id": pair.user_id, "movie_id": pair.movie_id, "score": score}
