"""A typed client of ODST's Admin API; the `odst` command is written with it. `docs/client.md` begins with an example.

::

    client        Client: one instance, and the groups of what can be asked of it
    operations    which method is which operation of the API; what all groups have in common
    packages, uploads, promotions, peers, mesh, instance, dead_letters, webhooks, templates, tokens, audit
                  one group each; every operation is one method
    transport     connections, time limits, what is tried again
    sending       files on their way
    failures      CallFailed, and how answers become one

What methods take and return are the models of `shared.contracts.admin`. Answers may have grown fields: they are ignored.
"""

from odst_client.client import Client
from odst_client.failures import CallFailed
from odst_client.sending import Progress, content_digest
from odst_client.transport import Patience

__all__ = ["CallFailed", "Client", "Patience", "Progress", "content_digest"]
