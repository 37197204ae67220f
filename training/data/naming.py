"""What the columns of a user's own files are called, and our names for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from handlers.recommender.model.words import MOVIES, Words
from training.data.log import DataError

ROLES = {
    "user": "user_id",
    "item": "movie_id",
    "rating": "rating",
    "time": "timestamp",
    "weight": "weight",
    "event": "event",
    "title": "title",
}
OF_LOG, OF_USERS, OF_ITEMS = ("user", "item", "rating", "time", "weight", "event"), ("user",), ("item", "title")
_ALIASES = {"userId": "user_id", "movieId": "movie_id", "itemId": "movie_id", "item_id": "movie_id"}
_OF_MOVIES = {"movie_id", "movieId"}
_NAME = re.compile(r"[^\W_][\w' -]{0,39}")


@dataclass(frozen=True)
class ColumnNames:
    """The names in a file of some roles (`ROLES`); every other role has its usual name.

    `lenient`: where a file has no column of a given name, the role has its usual name there.
    """

    given: tuple[tuple[str, str], ...] = ()
    lenient: bool = False

    @classmethod
    def parse(cls, text: str) -> ColumnNames:
        """From "user=customer,item=sku". Raises DataError for a role that there is not, and for one given twice."""
        pairs = [tuple(part.strip() for part in each.split("=", 1)) for each in text.split(",") if each.strip()]
        for pair in pairs:
            if len(pair) < 2 or pair[0] not in ROLES or not pair[1]:
                raise DataError(
                    "is no column of --columns",
                    value="=".join(pair),
                    remedy=f"Write --columns user=customer,item=sku; what can be named is {', '.join(ROLES)}",
                )
        for place, what in enumerate(("role", "column")):
            names = [pair[place] for pair in pairs]
            if twice := [name for name in names if names.count(name) > 1]:
                raise DataError(f"is given twice in --columns, as a {what}", value=twice[0], remedy="Give it once")
        return cls(tuple(pairs))

    def only(self, roles: tuple[str, ...], lenient: bool = True) -> ColumnNames:
        """The names of some roles, those of one file."""
        return ColumnNames(tuple(pair for pair in self.given if pair[0] in roles), lenient)

    def ours(self, raw: Iterable[str]) -> dict[str, str]:
        """Our names of a file's columns. One that has a role's usual name, and is not that role, is left out."""
        raw = list(raw)
        there = {each.strip() for each in raw}
        given = {name: ROLES[role] for role, name in self.given if name in there or not self.lenient}
        names: dict[str, str] = {}
        for each in raw:
            text = str(each).strip()
            if text in given:
                names[each] = given[text]
            elif (usual := _ALIASES.get(text, text)) not in given.values():
                names[each] = usual
        return names

    @property
    def roles(self) -> tuple[str, ...]:
        """Our names of the columns that must be there because they were given."""
        return () if self.lenient else tuple(ROLES[role] for role, _ in self.given)

    @property
    def theirs(self) -> Mapping[str, str]:
        """The files' names, by ours, of the columns that were given."""
        return {ROLES[role]: name for role, name in self.given}

    def words(self, raw: Iterable[str]) -> Words:
        """What a file with these columns calls its items: movies, or items under any other name."""
        of_items = [each.strip() for each, name in self.ours(raw).items() if name == "movie_id"]
        return MOVIES if set(of_items) <= _OF_MOVIES else Words("item", "item", "items")


USUAL = ColumnNames()


def with_name(words: Words, name: str) -> Words:
    """The words where one item is a `name`, "product", or "story,stories" where an s does not make the plural.

    Raises DataError for what is no word.
    """
    one, _, many = (part.strip() for part in name.partition(","))
    many = many or f"{one}s"
    for word in (one, many):
        if not _NAME.fullmatch(word):
            raise DataError(
                "is no name of an item", value=name, remedy="Write --item-name product, or --item-name story,stories"
            )
    return Words(words.field, one, many)
