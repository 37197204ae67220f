"""The stores of tests/feedback, and an experiment in one."""

from __future__ import annotations

import pytest

from feedback.experiments import Experiment, start
from feedback.store import Store
from tests.feedback.conftest import NOW, postgresql, store, url

__all__ = ["postgresql", "store", "url"]


@pytest.fixture
def experiment(store: Store) -> Experiment:
    return start(store, Experiment("fm", "1.0", "1.1", 0.5, "salt", "click", 3.0, 3600, 0.1, NOW))
