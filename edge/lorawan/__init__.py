"""LoRaWAN 1.0.4, Class A, device and network role, without any I/O: bytes, keys, counters and times are arguments.

frames (bytes <-> values) · security (MICs, encryption, keys) · counters (16 -> 32 bit) · mac (MAC commands) ·
eu868, airtime (the region and the air) · session, link (state) · device, server (the two roles).
Sockets, radios, clocks, random numbers, storage and the choice of keys belong to whoever calls.
"""
