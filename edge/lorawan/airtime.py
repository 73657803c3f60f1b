"""Time on air, exact, in whole microseconds wherever the physics allows.

Semtech AN1200.13 "LoRa Modem Designer's Guide", section 4; FSK as LoRaWAN uses it (RP002: 50 kbit/s, 5 bytes of
preamble, 3 of sync word, length and CRC).
"""


def lora_us(length, sf, bw_hz=125000, cr=1, preamble=8, explicit_header=True, crc=True, low_dr=None):
    """Microseconds that a LoRa packet of `length` bytes takes at 4/(4+cr). LoRaWAN uplinks carry a CRC, downlinks none.

    `low_dr` (low data rate optimisation) is on by default where a symbol lasts 16 ms or more.
    """
    if not (6 <= sf <= 12 and 1 <= cr <= 4 and 0 <= length <= 255):
        raise ValueError("time on air needs SF6 to SF12, cr 1 to 4 and 0 to 255 bytes")
    if low_dr is None:
        low_dr = (1 << sf) * 1000 >= 16 * bw_hz
    bits = 8 * length - 4 * sf + 28 + (16 if crc else 0) - (0 if explicit_header else 20)
    per_block = 4 * (sf - (2 if low_dr else 0))
    blocks = -(-bits // per_block) if bits > 0 else 0
    quarter_symbols = 4 * (preamble + 8 + blocks * (cr + 4)) + 17
    return quarter_symbols * (1 << sf) * 250000 // bw_hz


def spare(length, sf, bw_hz=125000):
    """Bytes that an uplink of `length` bytes can carry more in the same time on air: LoRa fills whole blocks."""
    us = lora_us(length, sf, bw_hz)
    more = 0
    while length + more < 255 and lora_us(length + more + 1, sf, bw_hz) == us:
        more += 1
    return more


def fsk_us(length, bit_rate=50000):
    """Microseconds that an FSK packet of `length` bytes takes."""
    return (5 + 3 + 1 + length + 2) * 8 * 1000000 // bit_rate
