"""What every archive carries: ids and rows, the request contract, and the one request flow.

Imported as ``recommender`` inside an archive and as ``handlers.recommender`` by training, so all its own imports are
relative. It imports nothing of ``training``.
"""
