"""The bus: Nameko's RPC and events on RabbitMQ, settled honestly.

::

    topology    names of exchanges and queues, from the contract
    connection  connections with time limits on every step
    publisher   confirms, mandatory, time limits
    consumer    Nameko's queue consumer, made to survive bad messages and lost connections
    handles     @handles(Event): acknowledge, delayed retry or dead-letter
    happening   the identity of the event that a method handles
    answers     @answers: an RPC method
    rpc         calls with a deadline, from services and from the gateway
    dead_letters  list, replay, discard
"""
