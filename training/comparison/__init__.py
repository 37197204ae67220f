"""A new fit beside the version that runs, by their answers to the same questions."""
