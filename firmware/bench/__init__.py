"""The technician's bench: everything between a laptop and a board on its cable. CPython.

The rule: nothing on a board is lost. What identifies it, what it must not use twice and what the cloud has not stored
is on the laptop's disk before anything is erased, and every step can be done again. What is decided here needs no
terminal; the words on it are in `klimanetz/cli/device/`.

Rooms, each of which imports only from those before it: `words`, `trouble`; `board`; `flash`; `identity`;
`checklist`; `label`; and over them `installing`, `replacing` and `batch`, a technician's whole jobs.
"""
