"""`odst conformance`: a peer from outside that holds an instance to docs/peer-protocol.md, whatever it is written in."""
