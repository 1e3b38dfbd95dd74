"""``python -m gatehouse_gateway`` is the command ``gatehouse``."""

import sys

from gatehouse_gateway.launcher import main

sys.exit(main())
