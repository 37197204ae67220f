"""What lists are worth beyond accuracy: how little known their movies are, and how unlike each other."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import normalize

LISTS_AT_ONCE = 4096


def novelty(lists: np.ndarray, counts: np.ndarray, users: int) -> float:
    """Mean self-information ``-log2 p`` of the movies in ``lists``, in bits, where p is the share of users who know it.

    ``lists`` int64 [lists, length]: movie rows, 0 where a list is shorter. ``counts`` int64 [movies]: how many of
    ``users`` have rated each; 0 counts as 1. A movie that everybody has rated has 0 bits, one that 1 in 1,000 has rated
    10. Vargas and Castells, "Rank and relevance in novelty and diversity metrics", RecSys 2011; the lists' means are
    weighted by their lengths.
    """
    shown = counts[lists[lists > 0]]
    return float(np.log2(users / np.maximum(shown, 1)).mean())


def intra_list_diversity(lists: np.ndarray, vectors: torch.Tensor) -> float:
    """Mean of ``1 - cosine`` over the pairs of movies in a list, then over lists of two movies or more.

    ``lists`` int64 [lists, length]: movie rows, 0 where a list is shorter. ``vectors`` float32 [movies, D]; those of
    length zero have a cosine of 0 with all. There must be such a list. Ziegler and others, "Improving recommendation
    lists through topic diversification", WWW 2005.
    """
    of_lists = []
    for start in range(0, len(lists), LISTS_AT_ONCE):
        block = torch.from_numpy(lists[start : start + LISTS_AT_ONCE])
        shown = (block > 0).float()
        units = normalize(vectors[block], dim=2) * shown.unsqueeze(2)
        # The sum over all pairs, each twice, is the square of the sum less the squares.
        cosines = units.sum(dim=1).square().sum(dim=1) - units.square().sum(dim=(1, 2))
        lengths = shown.sum(dim=1)
        long = lengths > 1
        of_lists.append((1 - cosines / (lengths * (lengths - 1)))[long])
    return float(torch.cat(of_lists).mean())
