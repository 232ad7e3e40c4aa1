"""`python -m services.storage`: the storage service."""

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402 - nothing may be imported before patching

from services.storage.service import HOSTED  # noqa: E402
from shared.runtime.services import run  # noqa: E402

sys.exit(run([HOSTED], "storage"))
