"""`python -m gatewayd`."""

import sys

from gatewayd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
