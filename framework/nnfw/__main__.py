"""``python -m nnfw``."""

import sys

from nnfw.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
