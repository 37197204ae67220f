"""A server of archives without TorchServe and Java: the same archives, the same contract, the same management API."""
