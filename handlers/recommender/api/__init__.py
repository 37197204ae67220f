"""What may be asked and what is answered: requests, errors, limits, and the service that answers a batch."""
