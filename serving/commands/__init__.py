"""The commands of ``python -m serving``: about the server, and about the versions of its models."""
