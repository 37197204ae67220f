"""The guarded nightly run: retrain, compare, roll out, watch, and roll back where the new version does harm."""
