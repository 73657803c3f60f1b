"""Where the ULP's counts are in RTC slow memory: what the program and the main processor agree on. Pure.

The data comes first and the program behind it, so that counts are found without knowing the program.
The rule: a count is the running total itself, 32 bits in two halves; nobody has to add anything to it.
"""

from collections import namedtuple

VERSION = 1  # of program and layout: another one is loaded anew
PERIOD_MS = 2  # between the end of a look and the next one
WINDOW_MS = 3000  # a gust is the mean over three seconds (WMO-No. 8, volume I, 5.1.2)
WINDOW_TICKS = WINDOW_MS // PERIOD_MS
CONTACTS_MAX = 4

# Words, each of 16 bits: first these, then those of each contact.
CHECK, CHECK_INVERTED, TICK, WINDOWS, COMMON = range(5)
# LEVEL is the accepted one, RUN how often another was seen; BEGIN the count when the window began, MOST the pulses of
# the strongest window. MARK_* are the main processor's own notes, which outlive its deep sleep here.
LEVEL, RUN, LOW, HIGH, BEGIN, MOST = range(6)
MARK_LOW, MARK_HIGH, MARK_TICK, MARK_WINDOWS, MARK_MS_LOW, MARK_MS_HIGH, OWN = range(6, 13)

# bit: of the register RTC_GPIO_IN; debounce: looks
Contact = namedtuple("Contact", ("bit", "debounce"))


def field(contact, name):
    """Where a word of a contact is."""
    return COMMON + contact * OWN + name


def size(contacts):
    """How many words the data of so many contacts has; the program begins behind it."""
    return field(contacts, 0)


def looks(debounce_ms):
    """How many looks a contact has to stay as it is: half of the time closed and half of it open."""
    return max(1, min(1000, debounce_ms // (2 * PERIOD_MS)))


def check(family, contacts):
    """16 bits that tell whether memory holds this program for these contacts (CRC-16/CCITT-FALSE)."""
    crc = 0xFFFF
    for byte in ("%d %s %r" % (VERSION, family, [tuple(contact) for contact in contacts])).encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
