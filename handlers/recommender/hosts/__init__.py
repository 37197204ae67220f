"""The servers that host the service, one package each."""
