"""Clients of the served models: HTTP in one module that stands alone, gRPC as an example."""
