"""The files of a model in an unpacked archive: their names, their dtypes, and which of their sizes must be equal."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .array_files import ArrayFiles
from .attributes import Attribute, Categories, Column, Flags, Kind, Numbers, Tags
from .errors import ArchiveError
from .metadata import Metadata
from .texts import lead_through
from .titles import TITLE_ARRAYS, Titles
from .vocabulary import Vocabulary

CHECKSUMS = "SHA256SUMS"

ARRAYS = {
    "user_features": "int64",  # [users, C] feature-table rows
    "user_weights": "float32",  # [users, C]
    "movie_features": "int64",
    "movie_weights": "float32",
    "user_encodings": "float32",  # [users, D]: the users of the log, encoded at export
    "item_encodings": "float32",  # [movies, D]: the catalogue, encoded at export
    "item_directions": "float32",  # [movies, width]: unit vectors, for cosines
    "map": "float32",  # [movies, 2]: the movies' coordinates on a plane, in [-1, 1]
    "rating_counts": "int64",  # [movies]
    "seen_offsets": "int64",  # [users + 1]: user row u has rated seen_rows[offsets[u]:offsets[u + 1]]
    "seen_rows": "int32",
    "seen_ratings": "float32",  # NaN for a like
    "prior_mean": "float32",  # [width + 1]
    "prior_precision": "float32",  # [width + 1, width + 1]
}

# A side's dictionary is ``<side>_ids.npy`` (``Vocabulary.arrays``). These hold numbers, one an id:
INTEGER_IDS = "int64"
# These hold strings, UTF-8, end to end:
STRING_IDS = "uint8"
STRING_ARRAYS = {
    "id_offsets": "int64",  # [ids + 1]
    "id_buckets": "int32",  # [buckets + 1]: the hash table that finds a string (text_index.TextIndex)
    "id_places": "int32",  # [ids]
}

# The tables of a network whose sizes are known from other files. Of the ids' own embeddings it has that of row 0 alone:
# all other ids are encoded at export.
NETWORK_TABLES = (
    "users.embeddings.weight",
    "users.features.weight",
    "items.embeddings.weight",
    "items.features.weight",
)

ON_DEVICE = ("user_encodings", "item_encodings", "item_directions")

# The files of the list ranker's tables, in the order of its fields.
RANK_TABLES = ("rank_inputs", "rank_items", "rank_people", "rank_alike")

# The list ranker's, where there is one.
RANK_ARRAYS = {
    "rank_inputs": "float32",  # [movies, R]
    "rank_items": "float32",  # [movies, R], by column
    "rank_people": "float32",  # [1 + user feature values, R]: ListRanker.cold_start
    "rank_alike": "float32",  # [movies, R], by column: ListRanker.item_similarity
}

# Attribute n is ``attribute_<n>``: values or codes. Its texts are a dictionary beside it, and tags have more parts.
ATTRIBUTE_VALUES: dict[Kind, tuple[str, ...]] = {
    "number": ("int32", "int64", "float64"),
    "boolean": ("int8",),
    "category": ("int32",),
    "tags": ("int32",),
}
TAG_ARRAYS = {"offsets": "int64", "rows": "int32", "row_offsets": "int64"}

# Where the list ranker uses the weights of likes: aligned with ``seen_rows``, their mean is one.
WEIGHT_ARRAYS = {"seen_weights": "float32"}

# The drift's (drift.Drift), where there is one.
DRIFT_ARRAYS = {
    "drift_offsets": "int64",  # [users + 1]
    "drift_times": "int64",
    "drift_values": "float32",
}


# What lists for nobody in particular are made from (browse.Browsing), where it is known.
AGE_ARRAYS = {
    "rating_ages": "uint16",  # [ratings]: timeline.Timeline.ages
    "rating_age_offsets": "int64",  # [movies + 1]
}
ADDED_ARRAYS = {"movie_added": "int64"}  # [movies]: timeline.Timeline.added
EXPECTED_ARRAYS = {"expected_ratings": "float32"}  # [movies]: how many a movie with the same features has on average

OPTIONAL_ARRAYS = RANK_ARRAYS | WEIGHT_ARRAYS | DRIFT_ARRAYS | AGE_ARRAYS | ADDED_ARRAYS | EXPECTED_ARRAYS


def optional_arrays(metadata: Metadata) -> dict[str, str]:
    """The arrays that an archive has beside ``ARRAYS``, by what its metadata say."""
    present = (
        (RANK_ARRAYS, metadata.rank_weight is not None),
        (WEIGHT_ARRAYS, metadata.weighted),
        (DRIFT_ARRAYS, metadata.drift_seconds is not None),
        (AGE_ARRAYS, metadata.last_timestamp is not None),
        (ADDED_ARRAYS, metadata.added_by is not None),
        (EXPECTED_ARRAYS, metadata.expects_ratings),
    )
    return {name: dtype for arrays, is_there in present if is_there for name, dtype in arrays.items()}


def read_arrays(files: ArrayFiles, dtypes: Mapping[str, str]) -> dict[str, Tensor]:
    """The arrays of these names, memory-mapped."""
    return {name: torch.from_numpy(files.read(name, dtype)) for name, dtype in dtypes.items()}


def read_vocabulary(files: ArrayFiles, side: str) -> Vocabulary:
    """The dictionary of a side, "user" or "movie", or of the texts of "attribute_0".

    Raises ArchiveError where its files do not fit each other.
    """
    arrays = {"ids": files.read(f"{side}_ids", INTEGER_IDS, STRING_IDS)}
    if arrays["ids"].dtype == STRING_IDS:
        arrays |= {name: files.read(f"{side}_{name}", dtype) for name, dtype in STRING_ARRAYS.items()}
    try:
        return Vocabulary.of_arrays(arrays)
    except ValueError as error:
        raise ArchiveError(f"{side}_ids.npy is no dictionary: {error}") from error


def read_titles(files: ArrayFiles, genres: Sequence[str]) -> Titles:
    """Titles, years and genres. Raises ArchiveError where their files do not fit each other."""
    arrays = {name: files.read(name, dtype) for name, dtype in TITLE_ARRAYS.items()}
    try:
        return Titles(genres, arrays)
    except ValueError as error:
        raise ArchiveError(f"the files of titles are not of one export: {error}") from error


def read_attributes(files: ArrayFiles, attributes: Sequence[Attribute], rows: int) -> dict[str, Column]:
    """The columns of ``attributes`` by name. Raises ArchiveError where one has not ``rows`` rows."""
    columns: dict[str, Column] = {}
    for number, attribute in enumerate(attributes):
        file = f"attribute_{number}"
        try:
            columns[attribute.name] = _read_attribute(files, file, attribute.kind)
        except ValueError as error:
            raise ArchiveError(f"{file}.npy is no column {attribute.name!r}: {error}") from error
        if len(columns[attribute.name]) != rows:
            found = len(columns[attribute.name])
            raise ArchiveError(f"{file}.npy has {found} rows, movie_ids.npy has {rows}: they are not of one export")
    return columns


def _read_attribute(files: ArrayFiles, file: str, kind: Kind) -> Column:
    values = files.read(file, *ATTRIBUTE_VALUES[kind])
    if kind == "number":
        return Numbers(values)
    if kind == "boolean":
        return Flags(values)
    texts = read_vocabulary(files, file)
    if kind == "category":
        return Categories(values, texts)
    return Tags(texts, values, *(files.read(f"{file}_{part}", dtype) for part, dtype in TAG_ARRAYS.items()))


def check_sizes(
    metadata: Metadata,
    network: str,
    state: Mapping[str, Tensor],
    rows: Mapping[str, int],
    titles: int,
    arrays: Mapping[str, Tensor],
) -> None:
    """Raise ArchiveError where two files do not fit each other.

    ``network``: the name of its file, and ``state`` its tables. ``rows``: of the dictionaries "user" and "movie", the
    unknown one included. ``titles``: how many rows have one.
    """
    for name in NETWORK_TABLES:
        if name not in state:
            raise ArchiveError(f"{network} has no {name}: another release made it, so train it again")
    for name in ("users.embeddings.weight", "items.embeddings.weight"):
        if state[name].size(0) != 1:
            raise ArchiveError(
                f"{network} has {state[name].size(0)} rows of {name}, expected that of the unknown ids alone: "
                "another release made it, so train it again"
            )
    embeddings = state["users.embeddings.weight"]
    user_values, movie_values = metadata.user_features.size, metadata.movie_features.size
    # What has a size, where the same size stands, and that size.
    expected = {
        f"{network} (width)": (embeddings.size(1) - 1, "metadata.json (width)", metadata.width),
        f"{network} (user features)": (
            state["users.features.weight"].size(0), "metadata.json (user_features)", user_values,
        ),
        f"{network} (movie features)": (
            state["items.features.weight"].size(0), "metadata.json (movie_features)", movie_values,
        ),
        "movie_titles.npy": (titles, "movie_ids.npy", rows["movie"]),
    }  # fmt: skip
    # Offsets, the side whose rows they are of, and the arrays that they lead through.
    led = {
        "seen_offsets": ("user", ("seen_rows", "seen_ratings", *WEIGHT_ARRAYS)),
        "drift_offsets": ("user", ("drift_times", "drift_values")),
        "rating_age_offsets": ("movie", ("rating_ages",)),
    }
    for offsets, (side, names) in led.items():
        if offsets in arrays:
            end = int(arrays[offsets][-1])
            if not lead_through(arrays[offsets].numpy(), end):
                raise ArchiveError(
                    f"{offsets}.npy does not lead from 0 on and never back: copy or pack the archive again"
                )
            expected[f"{offsets}.npy"] = arrays[offsets].size(0) - 1, f"{side}_ids.npy", rows[side]
            expected |= {
                f"{name}.npy": (arrays[name].size(0), f"{offsets}.npy (end)", end) for name in names if name in arrays
            }
    of_side = {
        "user": ("user_features", "user_weights", "user_encodings"),
        "movie": (
            "movie_features", "movie_weights", "item_encodings", "item_directions", "map", "rating_counts",
            "rank_inputs", "rank_items", "rank_alike", "movie_added", "expected_ratings",
        ),
    }  # fmt: skip
    for side, names in of_side.items():
        expected |= {
            f"{name}.npy": (arrays[name].size(0), f"{side}_ids.npy", rows[side]) for name in names if name in arrays
        }
    if "rank_people" in arrays:
        where = "metadata.json (everybody and user_features)"
        expected["rank_people.npy"] = arrays["rank_people"].size(0), where, 1 + user_values
    for part, (found, other, size) in expected.items():
        if found != size:
            raise ArchiveError(f"{part} has {found} rows, {other} has {size}: they are not of one export")
    widths = {f"{name}.npy": arrays[name].size(1) for name in RANK_ARRAYS if name in arrays}
    if len(set(widths.values())) > 1:
        raise ArchiveError(f"the columns of {widths} differ: they are not of one export")
