"""The store of events: what people rated, liked, clicked or bought, and which lists they were shown."""
