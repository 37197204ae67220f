"""The archives of a store under Ray Serve, from the project's folder: ``serve run deploy.examples.ray_serve:app``.

Needs ``ray[serve]`` beside ``requirements.txt``. On more than one machine the store is on a disk that all of them see.
"""

import os
from pathlib import Path

from ray import serve

from serving.asgi.application import Application

STORE = Path(os.environ.get("SERVING_STORE", "model_store")).resolve()


@serve.deployment(num_replicas=2, max_ongoing_requests=256, health_check_period_s=2)
@serve.ingress(Application(STORE))
class Recommender:
    """Every replica answers for each model: its default version and the newest others."""


app = Recommender.bind()
