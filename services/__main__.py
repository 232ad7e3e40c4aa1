"""`python -m services`: all Nameko services in one process, for a small site. The gateway is a process of its own."""

import gc

gc.disable()  # until all is imported: see shared/runtime/starting.py

import eventlet  # noqa: E402 - as above

eventlet.monkey_patch()

import sys  # noqa: E402 - nothing may be imported before patching

from services.directory.service import HOSTED as DIRECTORY  # noqa: E402
from services.hashing.service import HOSTED as HASHING  # noqa: E402
from services.notify.service import HOSTED as NOTIFY  # noqa: E402
from services.replication.service import HOSTED as REPLICATION  # noqa: E402
from services.storage.service import HOSTED as STORAGE  # noqa: E402
from shared.runtime.services import run  # noqa: E402

sys.exit(run([DIRECTORY, STORAGE, HASHING, REPLICATION, NOTIFY], "services"))
