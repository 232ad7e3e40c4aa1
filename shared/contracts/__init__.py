"""What services and instances promise each other: events, RPC answers and the protocol between peers.

Contracts only grow. A V1 is for ever; a change is a V2 beside it; readers ignore what they do not know.
"""
