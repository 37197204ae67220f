"""A web page for the models, and the gateway that stands between browsers and TorchServe."""
