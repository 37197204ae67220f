"""Fitting a network to interactions: gradient descent, posterior samples, or the second on top of the first."""
