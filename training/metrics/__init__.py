"""Measures of quality, used by training, the report and the benchmarks alike; ``names.py`` declares them."""
