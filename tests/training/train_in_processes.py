"""What ``torchrun`` starts in a test: the command line, for which every ratings file is a large one."""

from __future__ import annotations

import sys

from training.__main__ import main
from training.data import prepared

if __name__ == "__main__":
    prepared.LARGE = 0
    main(sys.argv[1:])
