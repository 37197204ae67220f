"""What an archive is: packed once for training and serving, verified, pinned and replaced.

An archive is a zip file, ``model_store/<model>-<version>.mar``, that never changes once it is written. It holds all
that an answer needs, its own code included. This package imports nothing else of the project and no torch: whatever has
to load a model runs in a process of its own (``alone.py``).
"""
