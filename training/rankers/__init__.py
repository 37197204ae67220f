"""List rankers: models that order the movies of a list."""
