"""What only makes answers faster. Without it they are the same."""
