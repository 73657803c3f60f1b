"""When to listen after an uplink, and for how long: the receive windows of Class A with what clocks are off by. Pure.

The rule: the window is open before the earliest moment at which the first symbol of an answer can come, and until the
header of the latest possible one has been read, for the radio's time-out counts until then (SX1261/2 datasheet 13.1.2:
it stops at the header). Source: LoRaWAN 1.0.4 section 3.3.1, SX1261/2 datasheet section 6.1.4.
"""

from edge.lorawan.eu868 import DATA_RATES

CLOCK_PPM = 40  # crystals of device and gateway together
JITTER_MS = 10  # of interpreter, SPI and the gateway's own start
HEADER_QUARTER_SYMBOLS = 4 * 8 + 17 + 4 * 8  # preamble, sync word, header


def window(delay_s, dr, ppm=CLOCK_PPM, jitter_ms=JITTER_MS):
    """(open_ms, for_ms): when to open, after the end of the uplink, and how long to wait for a header."""
    error_ms = jitter_ms + -(-delay_s * ppm // 1000)
    return delay_s * 1000 - error_ms, 2 * error_ms + header_ms(dr)


def header_ms(dr):
    """Milliseconds until the header of a frame has been read, rounded up."""
    rate = DATA_RATES[dr]
    return -(-HEADER_QUARTER_SYMBOLS * (1 << rate.sf) * 250 // rate.bw_hz)
