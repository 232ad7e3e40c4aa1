"""`python -m services.directory`: one directory process."""

import gc

gc.disable()  # until all is imported: see shared/runtime/starting.py

import eventlet  # noqa: E402 - as above

eventlet.monkey_patch()

import sys  # noqa: E402 - nothing may be imported before patching

from services.directory.service import HOSTED  # noqa: E402
from shared.runtime.services import run  # noqa: E402

sys.exit(run([HOSTED], "directory"))
