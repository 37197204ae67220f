"""The ratings of one side's entities, side by side in blocks of equal length, for batched arithmetic."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .. import distributed
from .shares import Shares
from .workers import each

SLOTS_AT_A_TIME = {"cpu": 1 << 15, "cuda": 1 << 20}  # on a CPU, so that their embeddings stay in cache
NUMBERS_AT_A_TIME = {"cpu": 1 << 17, "cuda": 1 << 26}  # of matrices, for the same reason
PADDING = 0.1  # share of the slots of a block that may be empty
FREE_PADDING = 1024  # empty slots that cost less than another block
PIECE = 128  # ratings whose moments are one product of matrices
RATINGS_AT_A_TIME = 1 << 22  # while a view is made


class Block(NamedTuple):
    """Entities ``first`` to ``first + count`` of a view, each with ``length`` slots from slot ``start`` on."""

    first: int
    count: int
    length: int
    start: int

    @property
    def entities(self) -> slice:
        """Their positions in the view."""
        return slice(self.first, self.first + self.count)

    @property
    def slots(self) -> slice:
        """Their slots."""
        return slice(self.start, self.start + self.count * self.length)


class View:
    """The ratings of this process's share of the entities of one side (users or movies).

    They are ordered by how many ratings they have. In this order, neighbours form blocks: each entity has as many slots
    as the first of its block has ratings. An entity of very many ratings has several blocks.

    ``rated`` int64 [m]: entities of all processes with a rating, ascending. ``counts`` int64 [entities]: their ratings.
    ``entities`` int64 [k]: those of this process, in the order of the blocks. ``others`` int32 [slots]: the other
    side's row, ``empty`` (one more than its last) in an empty slot. ``values`` [slots]: of the ratings.
    """

    def __init__(self, rows: Tensor, others: Tensor, values: Tensor, shares: Shares, empty: int, size: int) -> None:
        """``rows``, ``others`` int32 [n] and ``values`` [n]: aligned, those of this process among them; the rest is let
        be. ``shares``: of this side. ``empty``: how many entities the other side has.

        ``size``: rows and columns of the matrix that an entity needs, which bounds how many are in work at a time.
        """
        self.device, self.empty = rows.device, empty
        self.threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        self.slots_at_a_time = SLOTS_AT_A_TIME[self.device.type]
        self.most_entities = max(1, NUMBERS_AT_A_TIME[self.device.type] // size**2)
        self.counts, self.rated = shares.counts, shares.rated
        self.by_rank, self.share_sizes = torch.cat(shares.by_rank), [len(share) for share in shares.by_rank]
        self.entities = shares.by_rank[distributed.rank()]
        self.blocks, first_slots = self._lay_out(self.counts[self.entities].cpu())
        slots = self.blocks[-1].slots.stop if self.blocks else 0
        self.others = torch.full((slots,), self.empty, dtype=torch.int32, device=self.device)
        self.values = values.new_zeros(slots)
        self._fill(rows, others, values, first_slots.to(self.device))

    def _lay_out(self, counts: Tensor) -> tuple[list[Block], Tensor]:
        """The blocks for entities with ``counts`` [k] ratings, descending; and every entity's first slot [k]."""
        blocks, first_slots, first, start = [], torch.empty_like(counts), 0, 0
        while first < len(counts):
            longest = int(counts[first])
            unit = PIECE if longest > 4 * PIECE else 1
            length = -(-longest // unit) * unit
            most = min(self.most_entities, max(1, self.slots_at_a_time // length))
            window = counts[first : first + most]
            slots = length * torch.arange(1, len(window) + 1)
            empty = slots - window.cumsum(0)
            few = (empty <= PADDING * slots) | (empty <= FREE_PADDING)
            count = max(1, int(few.nonzero()[-1]) + 1) if few.any() else 1
            first_slots[first : first + count] = start + length * torch.arange(count)
            for done in range(0, length, self.slots_at_a_time):
                part = length if count > 1 else min(self.slots_at_a_time, length - done)
                blocks.append(Block(first, count, part, start))
                start += count * part
                if count > 1:
                    break
            first += count
        return blocks, first_slots

    def _fill(self, rows: Tensor, others: Tensor, values: Tensor, first_slots: Tensor) -> None:
        first_slot, counts = torch.zeros_like(self.counts), torch.zeros_like(self.counts)
        first_slot[self.entities], counts[self.entities] = first_slots, self.counts[self.entities]
        if distributed.size() > 1:
            mine = (counts > 0).index_select(0, rows)
            rows, others, values = rows[mine], others[mine], values[mine]
        before = counts.cumsum(0) - counts  # of an entity's ratings, when they are in the order of the entities
        order = None if bool((rows[1:] >= rows[:-1]).all()) else rows.argsort(stable=True)
        for start in range(0, len(rows), RATINGS_AT_A_TIME):
            part = slice(start, start + RATINGS_AT_A_TIME)
            taken = part if order is None else order[part]
            entities = rows[taken].long()
            slots = (first_slot - before)[entities] + torch.arange(start, start + len(entities), device=self.device)
            self.others[slots] = others[taken]
            self.values[slots] = values[taken]

    def batches(self) -> list[list[Block]]:
        """Blocks in groups: of neighbours whose matrices are worked on together, all blocks of an entity in one."""
        groups: list[list[Block]] = []
        for block in self.blocks:
            group = groups[-1] if groups else None
            joins = group and (
                block.first == group[-1].first or block.entities.stop - group[0].first <= self.most_entities
            )
            if joins:
                group.append(block)
            else:
                groups.append([block])
        return groups

    def everywhere(self, mine: Tensor, into: Tensor) -> Tensor:
        """Write what this process has found for its ``entities`` [k, ...], and the others for theirs, ``into`` a table.

        ``into`` [entities, ...] is returned.
        """
        into[self.by_rank] = distributed.gathered(mine, self.share_sizes).to(into.dtype)
        return into

    def sums(self, table: Tensor) -> Tensor:
        """For each entity, the sum of ``table`` [others, D] over those with a rating: [entities, D]."""
        table = torch.cat([table, table.new_zeros(1, table.shape[1])])
        found = table.new_zeros(len(self.entities), table.shape[1])

        def add(blocks: list[Block]) -> None:
            for block in blocks:
                others = self.others[block.slots].view(block.count, block.length)
                found[block.entities] += functional.embedding_bag(others, table, mode="sum")

        each(add, self.batches(), self.threads)
        return self.everywhere(found, table.new_zeros(len(self.counts), table.shape[1]))

    def moments(self, block: Block, table: Tensor, targets: Tensor) -> Tensor:
        """``sum_j d_j d_j^T`` with ``d_j = w_j (v_j, 1, r_j - b_j)`` of a block's entities: [count, E + 1, E + 1].

        ``table`` [others + 1, E + 1]: the rows ``w_j (v_j, 1, -b_j)``, and last a row of zeros for empty slots.
        ``targets`` [slots]: ``r_j``.
        """
        design = table.index_select(0, self.others[block.slots])
        design[:, -1].addcmul_(targets[block.slots], design[:, -2])
        return _products(design, block)

    def weighted_moments(self, block: Block, table: Tensor) -> Tensor:
        """``sum_j c_j d_j d_j^T`` of a block's entities, the roots of ``c_j`` being ``values``: [count, E + 1, E + 1].

        ``table`` [others + 1, E + 1]: the rows ``d_j``, and last a row of zeros for empty slots.
        """
        design = table.index_select(0, self.others[block.slots]).mul_(self.values[block.slots, None])
        return _products(design, block)

    def scores(self, block: Block, mine: Tensor, table: Tensor) -> Tensor:
        """Scores of a block's ratings: [count, length].

        ``mine`` [k, E]: embeddings of the view's entities; ``table`` [others + 1, E]: of the other side, and one row.
        """
        others = table.index_select(0, self.others[block.slots]).view(block.count, block.length, -1)
        own = mine[block.entities]
        scores = torch.bmm(others[..., :-1], own[:, :-1, None]).squeeze(2)
        return scores.add_(others[..., -1]).add_(own[:, -1:])


def _products(design: Tensor, block: Block) -> Tensor:
    """The products of each entity's rows with themselves, added up: [count, D, D] of [slots, D]."""
    pieces = design.view(-1, PIECE if block.length % PIECE == 0 else block.length, design.shape[1])
    products = torch.bmm(pieces.mT, pieces)
    if len(products) == block.count:
        return products
    return products.view(block.count, -1, *products.shape[1:]).sum(1)
