"""Which versions of a model an experiment compares: these must not be retired while it runs."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple


class ExperimentsUnknown(RuntimeError):
    """The store that has the experiments cannot be read; nothing was changed."""


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
        from feedback.database import URLError, without_password
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
    except URLError as error:
        raise ExperimentsUnknown(str(error)) from error
    except StoreDown as error:
        raise ExperimentsUnknown(
            f"whether an experiment with {model} runs is not known, because {without_password(found)} cannot be used: "
            f"{error}. Start the store and try again"
        ) from error
    return experiment and Compared(experiment.a, experiment.b)
