"""`python -m services.notify`: one notify process; start more to share the deliveries."""

import gc

gc.disable()  # until all is imported: see shared/runtime/starting.py

import eventlet  # noqa: E402 - as above

eventlet.monkey_patch()

import sys  # noqa: E402 - nothing may be imported before patching

from services.notify.service import HOSTED  # noqa: E402
from shared.runtime.services import run  # noqa: E402

sys.exit(run([HOSTED], "notify"))
