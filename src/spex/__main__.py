"""`python -m spex`: the same as the command `spex`."""

import sys

from spex.cli import main

sys.exit(main())
