"""`python -m oakum` is the same door as `oakum`."""

import sys

from oakum.cli.main import main

sys.exit(main())
