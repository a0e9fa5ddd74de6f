"""Run the command with ``python -m moonnet``."""

import sys

from moonnet.command._cli import main

if __name__ == "__main__":
    sys.exit(main())
