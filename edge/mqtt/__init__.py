"""MQTT 3.1.1 for a client, without I/O: bytes, clock and chance are arguments.

packets (what we send) and incoming (what a broker sends) are the bytes; client is the session over them; backoff says
when to try again. Whoever has a socket moves bytes between it and these, see firmware/device/mqtt.py.
"""
