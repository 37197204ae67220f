"""Serves the example's application on the port that the command names, until its input ends."""

import sys

import ray
from ray import serve

from deploy.examples.ray_serve import app

ray.init(num_cpus=4, include_dashboard=False, object_store_memory=100 << 20)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(app)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
