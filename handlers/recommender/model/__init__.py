"""A trained model in rows and arrays. It knows no JSON, no HTTP and no TorchServe."""
