"""The networks, one a file."""

from .deepfm import DeepFM
from .fm import FM
from .layers import Side, TwoEncoder
from .mf import MF

__all__ = ["DeepFM", "FM", "MF", "Side", "TwoEncoder"]
