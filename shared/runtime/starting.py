"""What a process does between its imports and its work.

A `__main__` turns the garbage collector off before it imports anything: imports make some hundred thousand objects that stay, and
the collector would look through them again and again, a sixth of the time until a process serves. Nothing here may import what
must be patched first.
"""

from __future__ import annotations

import gc


def keep_what_is_imported() -> None:
    """Turn the collector on, for what is made from now on; what there is stays as long as the process and is not looked at."""
    gc.freeze()
    gc.enable()
