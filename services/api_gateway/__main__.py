"""`python -m services.api_gateway`: the gateway."""

import gc

gc.disable()  # until all is imported: see shared/runtime/starting.py

import sys  # noqa: E402 - as above

from services.api_gateway.server import main  # noqa: E402

sys.exit(main())
