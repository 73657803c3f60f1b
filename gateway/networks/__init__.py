"""Other people's networks: their events as readings, and their decoders' names as our channels."""
