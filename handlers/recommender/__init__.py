"""What every archive carries: a trained model, the request contract, and the service that answers requests.

Rooms: ``model`` (rows and arrays), ``api`` (requests and answers; imports ``model``), ``fast`` (what only makes it
faster), ``hosts`` (the servers that host the service, one package each). ``loading`` puts them together.

Imported as ``recommender`` inside an archive and as ``handlers.recommender`` by training, so all its own imports are
relative. It imports nothing of ``training``.
"""
