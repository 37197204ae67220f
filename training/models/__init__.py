"""One network a file, and the one place that builds them."""

from .deepfm import DeepFM
from .fm import FM
from .layers import Side, TwoEncoder
from .mf import MF

NETWORKS: dict[str, type[TwoEncoder]] = {"mf": MF, "fm": FM, "deepfm": DeepFM}

__all__ = ["NETWORKS", "DeepFM", "FM", "MF", "Side", "TwoEncoder"]
