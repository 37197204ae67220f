"""Measurements, not tests: hardware, date and versions stand beside every number."""
