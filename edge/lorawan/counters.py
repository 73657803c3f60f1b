"""Frame counters: the air carries 16 bits, both sides keep 32.

The rule: `expected` is the next counter not seen yet (last + 1, 0 at the start). The number on the air is read as the
nearest one from there on, except that the very last one again is a retransmission. Whether the guess is right only
the MIC tells. Specification: LoRaWAN 1.0.4, section 4.3.1.5 (no MAX_FCNT_GAP since 1.0.4).
"""

FCNT_MAX = 0xFFFFFFFF
NEW, RETRANSMISSION, REPLAY, EXHAUSTED = "new", "retransmission", "replay", "exhausted"


def reconstruct(expected, fcnt16):
    """The 32-bit counter behind `fcnt16`; more than FCNT_MAX where the counter has run out."""
    if expected and fcnt16 == (expected - 1) & 0xFFFF:
        return expected - 1
    return expected + ((fcnt16 - expected) & 0xFFFF)


def earlier(expected, fcnt16):
    """The newest counter below `expected` that looks like `fcnt16` on the air, -1 where there is none."""
    full = expected - 1 - ((expected - 1 - fcnt16) & 0xFFFF)
    return full if full >= 0 else -1


def classify(expected, fcnt):
    """NEW, RETRANSMISSION (the last one again), REPLAY (older) or EXHAUSTED of a 32-bit counter."""
    if fcnt > FCNT_MAX:
        return EXHAUSTED
    if fcnt >= expected:
        return NEW
    return RETRANSMISSION if fcnt == expected - 1 else REPLAY
