"""What a device makes of silence. Pure.

The rule: a network of ours says something at least every 24 readings or 6 hours. Who has heard nothing for QUIET
uplinks asks (LinkCheckReq: one byte, never repeated, where a confirmed uplink would be sent up to six times), and keeps
what can wait until there is an answer. A session that nobody has answered for days may be gone: the device joins beside
using it. Specification: LoRaWAN 1.0.4, section 4.3.1.1 (ADRACKReq).
"""

from edge.lorawan.eu868 import ADR_ACK_DELAY, ADR_ACK_LIMIT

QUIET = 32  # uplinks
ASK_EVERY = 4  # uplinks, while nothing is heard
LOST = ADR_ACK_LIMIT + 6 * ADR_ACK_DELAY  # uplinks; by then power and data rate have gone as far as they go
LOST_SLOW, LOST_MS = ADR_ACK_LIMIT + ADR_ACK_DELAY, 72 * 3600000  # or so many in so long


def is_heard(unheard):
    """Whether the network can be taken to hear this device: what can wait is sent only then."""
    return unheard < QUIET


def asks(unheard):
    """Whether the next uplink should ask if anybody hears it."""
    return unheard >= QUIET and (unheard - QUIET) % ASK_EVERY == 0


def is_lost(unheard, silent_ms):
    """Whether the session may be gone, so that the device should join beside using it."""
    return unheard >= LOST or (unheard >= LOST_SLOW and silent_ms >= LOST_MS)
