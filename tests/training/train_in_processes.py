"""What ``torchrun`` starts in a test: the command line, for the first process alone in a folder with the ratings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from training.__main__ import main
from training.data import prepared

if __name__ == "__main__":
    prepared.LARGE = 0
    if os.environ["RANK"] != "0":
        elsewhere = Path("elsewhere")
        elsewhere.mkdir()
        os.chdir(elsewhere)
    main(sys.argv[1:])
