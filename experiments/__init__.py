"""Experiments: two versions of a model on live users, which one earns more, and how sure that is."""
