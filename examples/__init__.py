"""Logs of a shop, a music service and a news site, drawn from known preferences: ``python -m examples.shop``."""
