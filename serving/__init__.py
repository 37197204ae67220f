"""Starting TorchServe and talking to its management API. Speaks HTTP; imports nothing of training or the handler."""
