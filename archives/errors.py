"""What can be wrong with an archive or with the model store; the command lines show each error as one line."""


class ArchiveRefused(RuntimeError):
    """An archive that must not be packed or served; the message says which and why."""


class StoreError(RuntimeError):
    """The model store cannot be written, or another process is changing it; the message says what to do."""


class CannotAnswer(RuntimeError):
    """An archive that does not work on its own; the message is what its process printed, or its answer."""
