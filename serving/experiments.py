"""Which versions of a model an experiment compares: these must not be retired while it runs."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple


class ExperimentsUnknown(Exception):
    """The store of events cannot be read, so nobody can say whether an experiment runs."""


class Compared(NamedTuple):
    """The versions of an experiment that runs."""

    a: str
    b: str

    def refusal(self, model: str) -> str:
        """Why one of them is not taken out, and what to do."""
        return (
            f"an experiment with {model} {self.a} (A) and {self.b} (B) runs, and needs both versions. "
            f"make experiment MODEL={model} STOP=1 ends it"
        )


def compared(model: str, url: str = "EVENTS_URL") -> Compared | None:
    """The versions of the experiment that runs with a model; ``url``: that of the gateway's store.

    None too where there is no store here: in an image that has only the server, and where no gateway has made one.
    Raises ExperimentsUnknown where a store that should be there cannot be read.
    """
    try:
        from feedback.blocks import url_of
        from feedback.database import URLError
        from feedback.experiments import running
        from feedback.store import Store, StoreDown
    except ImportError:
        return None
    found = url_of(url)
    if found is None:
        return None
    try:
        with closing(Store(found)) as store:
            experiment = running(store).get(model)
    except (StoreDown, URLError) as error:
        raise ExperimentsUnknown(
            f"whether an experiment needs a version of {model} is not known, because the store of events cannot be "
            f"read ({error}): start it, or correct EVENTS_URL"
        ) from error
    return experiment and Compared(experiment.a, experiment.b)
