"""Gibbs sampling of factorizations, and the average of the samples."""
