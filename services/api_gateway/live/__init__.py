"""Live events: heard from the bus once, told to whoever follows them.

::

    RabbitMQ ──one queue──▶ listener ──▶ ring ◀──a place each── readers ──▶ their sockets
                            (a thread)   of the latest            (one thread for all, nothing in it waits)

    told       one event as it is sent, and what it is chosen by
    ring       the latest of them
    wishes     what a reader wants, and may have
    reader     one connection: what it was sent, and what is due
    hub        the thread that writes to all connections
    seats      how many may follow, in all and by person
    counts     what is counted about it, for metrics
    watching   whether they still may
    live       all of it together
"""
