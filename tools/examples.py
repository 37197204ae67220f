"""The examples of the OpenAPI document: requests, and the answers that fm gives to them on MovieLens 100K."""

from typing import Any, NamedTuple

FARGO = {"movie_id": 100, "title": "Fargo", "year": 1996, "genres": ["Crime", "Drama", "Thriller"]}
FUTURE = {"movie_id": 204, "title": "Back to the Future", "year": 1985, "genres": ["Comedy", "Sci-Fi"]}
RAIDERS = {"movie_id": 174, "title": "Raiders of the Lost Ark", "year": 1981, "genres": ["Action", "Adventure"]}
SCHINDLER = {"movie_id": 318, "title": "Schindler's List", "year": 1993, "genres": ["Drama", "War"]}
SPACE = ["Action", "Adventure", "Romance", "Sci-Fi", "War"]
STAR_WARS = {"movie_id": 50, "title": "Star Wars", "year": 1977, "genres": SPACE}
EMPIRE = {"movie_id": 172, "title": "The Empire Strikes Back", "year": 1980, "genres": sorted([*SPACE, "Drama"])}
JEDI = {"movie_id": 181, "title": "Return of the Jedi", "year": 1983, "genres": SPACE}
LEGENDS = {
    "movie_id": 51,
    "title": "Legends of the Fall",
    "year": 1994,
    "genres": ["Drama", "Romance", "War", "Western"],
}
HARRY = {"movie_id": 216, "title": "When Harry Met Sally...", "year": 1989, "genres": ["Comedy", "Romance"]}
SENSE = {"movie_id": 275, "title": "Sense and Sensibility", "year": 1995, "genres": ["Drama", "Romance"]}
LIAR = {"movie_id": 294, "title": "Liar Liar", "year": 1997, "genres": ["Comedy"]}
TITANIC = {"movie_id": 313, "title": "Titanic", "year": 1997, "genres": ["Action", "Drama", "Romance"]}
CONTACT = {"movie_id": 258, "title": "Contact", "year": 1997, "genres": ["Drama", "Sci-Fi"]}
EVEREST = {"movie_id": 1594, "title": "Everest", "year": 1998, "genres": ["Documentary"]}

PERSONAL = -0.020635
BECAUSE = [
    {"movie_id": 110, "title": "Operation Dumbo Drop", "share": 0.062311},
    {"movie_id": 13, "title": "Mighty Aphrodite", "share": -0.059548},
    {"movie_id": 655, "title": "Stand by Me", "share": 0.056643},
    {"movie_id": 285, "title": "Secrets & Lies", "share": 0.053117},
    {"movie_id": 286, "title": "The English Patient", "share": 0.052774},
    {"feature": "gender", "share": 0.037728},
    {"feature": "age", "share": -0.010426},
    {"feature": "occupation", "share": 0.026483},
    {"remainder": True, "share": -0.239717},
]
RANK_SCORE = 0.32249
RANK_BECAUSE = [
    {"movie_id": 285, "title": "Secrets & Lies", "share": 0.057201},
    {"movie_id": 286, "title": "The English Patient", "share": 0.040206},
    {"movie_id": 25, "title": "The Birdcage", "share": 0.033848},
    {"movie_id": 153, "title": "A Fish Called Wanda", "share": 0.025293},
    {"movie_id": 269, "title": "The Full Monty", "share": 0.022593},
    {"everybody": True, "share": 0.01547},
    {"feature": "gender", "share": 0.000772},
    {"feature": "age", "share": 0.000297},
    {"feature": "occupation", "share": 0.000996},
    {"remainder": True, "share": 0.125814},
]
REASONS = {"personal": PERSONAL, "because": BECAUSE, "rank_score": RANK_SCORE, "rank_because": RANK_BECAUSE}
NOBODY = 999_999
NO_USER = {
    "code": 404,
    "type": "UnknownId",
    "message": f"user_id is {NOBODY}, which is no user that this model knows: check it",
}


class Example(NamedTuple):
    """A request, the status and the body that answer it."""

    summary: str
    request: dict[str, Any]
    answer: dict[str, Any]
    status: int = 200


def examples(user: int = 196, movie: int = 242, other: int = 50) -> dict[str, Example]:
    """Every example, asked about one user and two movies. The answers are those to the defaults."""
    pair = {"user_id": user, "movie_id": movie}
    woman = {"gender": "F", "age": 25}
    comedy = {"genres": ["Comedy"], "year": 1999}
    likes = [{"movie_id": other, "rating": 5}]
    unknown = {"user_id": NOBODY, "movie_id": movie, "on_unknown": "error"}
    score = {"user_id": user, "movie_id": movie, "score": 3.957003}
    return {
        "score": Example("The score of a pair", pair, score),
        "score_for_somebody_new": Example(
            "The score for somebody known by a rating and side features",
            {"ratings": likes, "user": woman, "movie_id": movie},
            {"movie_id": movie, "score": 4.015249},
        ),
        "score_of_a_new_movie": Example(
            "The score of a movie known by its side features (FM and DeepFM)",
            {"user_id": user, "movie": comedy},
            {"user_id": user, "movie": comedy, "score": 3.252672},
        ),
        "score_for_an_unknown_user": Example(
            "An id that the model does not know: the average user's score, and the answer says so",
            {"user_id": NOBODY, "movie_id": movie},
            {"user_id": NOBODY, "movie_id": movie, "score": 3.847154, "unknown": ["user_id"]},
        ),
        "recommend": Example(
            "The best movies that a user has not rated",
            {"user_id": user, "k": 2},
            {
                "user_id": user,
                "recommendations": [FARGO | {"score": 4.164906}, FUTURE | {"score": 3.955394}],
            },
        ),
        "recommend_and_explain": Example(
            "The same with reasons",
            {"user_id": user, "k": 1, "explain": True},
            {
                "user_id": user,
                "recommendations": [FARGO | {"score": 4.164906} | REASONS],
            },
        ),
        "recommend_with_fresh_ratings": Example(
            "For a user of the log, with a rating that the model does not know yet",
            {"user_id": user, "ratings": likes, "k": 2},
            {"user_id": user, "recommendations": [HARRY | {"score": 4.120286}, SENSE | {"score": 4.07026}]},
        ),
        "recommend_to_somebody_new": Example(
            "For somebody whom the model has never seen, by their ratings",
            {"ratings": [*likes, {"movie_id": movie, "rating": 1}], "k": 2},
            {"recommendations": [RAIDERS | {"score": 4.231729}, SCHINDLER | {"score": 4.076665}]},
        ),
        "recommend_out_of": Example(
            "For somebody known by side features, out of some movies and genres",
            {"user": woman, "candidates": [movie, other, NOBODY], "exclude": [movie], "genres": ["Action", "Comedy"]},
            {"recommendations": [STAR_WARS | {"score": 4.380234}], "unknown": ["candidates[2]"]},
        ),
        "similar": Example(
            "Movies like one of the catalogue",
            {"movie_id": other, "k": 2},
            {"movie_id": other, "similar": [EMPIRE | {"score": 0.907923}, JEDI | {"score": 0.902051}]},
        ),
        "similar_to_a_new_movie": Example(
            "Movies like one that is known by its side features (FM and DeepFM)",
            {"movie": comedy, "k": 1},
            {"movie": comedy, "similar": [LIAR | {"score": 0.960396}]},
        ),
        "browse": Example(
            "For nobody in particular: what was popular in the last 7 days of the log",
            {"recent_days": 7, "k": 2},
            {
                "recommendations": [
                    TITANIC | {"score": 4.169163, "ratings": 15},
                    CONTACT | {"score": 3.754083, "ratings": 12},
                ]
            },
        ),
        "browse_the_newest": Example(
            "What is new: the movie with the latest first rating",
            {"newest": True, "k": 1},
            {"recommendations": [EVEREST | {"score": 3.500814, "added": 893115576}]},
        ),
        "history": Example(
            "What a user has rated (shortened)",
            {"user_id": user, "history": True},
            {
                "user_id": user,
                "history": [
                    {"movie_id": 8, "title": "Babe", "rating": 5.0},
                    {"movie_id": 13, "title": "Mighty Aphrodite", "rating": 2.0},
                ],
            },
        ),
        "catalogue": Example(
            "A page of the movies",
            {"catalogue": True, "offset": 49, "k": 2},
            {
                "catalogue": [
                    STAR_WARS | {"ratings": 583, "x": 0.1378, "y": -0.857},
                    LEGENDS | {"ratings": 81, "x": 0.33, "y": 0.0138},
                ],
                "total": 1682,
            },
        ),
        "instances": Example(
            "Several at once; one that fails is an error in its place",
            {"instances": [pair, unknown]},
            {"predictions": [score, {"error": NO_USER}]},
        ),
        "k_of_zero": Example(
            "A value out of its range",
            {"user_id": user, "k": 0},
            {"code": 400, "type": "InvalidRequest", "message": "k is 0: expected int >= 1"},
            400,
        ),
        "user_said_twice": Example(
            "A user of the log, and somebody new",
            {"user_id": user, "user": woman},
            {
                "code": 400,
                "type": "InvalidRequest",
                "message": "user_id and user both say who it is for: give one of them, with ratings or without",
            },
            400,
        ),
        "unknown_id": Example(
            "An id that the model does not know, where that is to be an error",
            unknown,
            NO_USER,
            404,
        ),
        "too_many_instances": Example(
            "1001 instances",
            {"instances": [pair] * 1001},
            {
                "code": 413,
                "type": "TooLarge",
                "message": "instances has 1001 requests: send at most 1000 at once",
            },
            413,
        ),
    }
