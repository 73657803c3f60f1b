"""The region EU863-870 as tables: data rates, channels, windows, CFList, sub-bands.

Specification: LoRaWAN Regional Parameters RP002-1.0.4, section 2.4; sub-bands from ERC Recommendation 70-03, annex 1,
and ETSI EN 300 220-2 V3.2.1, annex B.
"""

from collections import namedtuple

from edge.lorawan.airtime import fsk_us, lora_us
from edge.lorawan.frames import FrameError

# sf is None for FSK; mac_payload_max ("M") is MHDR and MIC less than the frame, no repeater in between
DataRate = namedtuple("DataRate", ("sf", "bw_hz", "mac_payload_max"))
DATA_RATES = (
    DataRate(12, 125000, 59),
    DataRate(11, 125000, 59),
    DataRate(10, 125000, 59),
    DataRate(9, 125000, 123),
    DataRate(8, 125000, 250),
    DataRate(7, 125000, 250),
    DataRate(7, 250000, 250),
    DataRate(None, 50000, 250),
)
DR_DEFAULT_MAX = 5  # the default channels carry DR0 to DR5

# (frequency_hz, lowest DR, highest DR), on which every device starts and joins
DEFAULT_CHANNELS = ((868100000, 0, 5), (868300000, 0, 5), (868500000, 0, 5))
FREQUENCY_MIN_HZ, FREQUENCY_MAX_HZ = 863000000, 870000000
CHANNELS_MAX = 16

RX2_HZ, RX2_DR = 869525000, 0
RX1_DELAY_S, JOIN_RX1_DELAY_S = 1, 5  # the second window opens one second after the first
RX1_DR_OFFSET_MAX = 5
MAX_EIRP_DBM = 16
TX_POWER_MAX = 7  # index; each step takes 2 dB off MAX_EIRP_DBM
ADR_ACK_LIMIT, ADR_ACK_DELAY = 64, 32

# Duty cycle in per mille of any hour, radiated power in dBm ERP (EIRP is 2.15 dB more); both ends of the band in Hz.
SubBand = namedtuple("SubBand", ("name", "low_hz", "high_hz", "duty_permille", "max_erp_dbm"))
SUB_BANDS = (
    SubBand("K", 863000000, 865000000, 1, 14),
    SubBand("L", 865000000, 868000000, 10, 14),
    SubBand("M", 868000000, 868600000, 10, 14),
    SubBand("N", 868700000, 869200000, 1, 14),
    SubBand("P", 869400000, 869650000, 100, 27),
    SubBand("R", 869700000, 870000000, 10, 14),
)


def frm_payload_max(dr):
    """Bytes of application payload that a frame without FOpts may carry at a data rate ("N")."""
    return DATA_RATES[dr].mac_payload_max - 8


def data_rate(sf, bw_hz):
    """The index of a LoRa data rate, None where the region has none such."""
    for i, rate in enumerate(DATA_RATES):
        if rate.sf is not None and (rate.sf, rate.bw_hz) == (sf, bw_hz):
            return i
    return None


def rx1_data_rate(uplink_dr, offset):
    """The data rate of the first receive window."""
    return max(0, uplink_dr - offset)


def airtime_us(phy_length, dr, uplink=True):
    """Microseconds on air of a frame of `phy_length` bytes; only uplinks carry the CRC."""
    rate = DATA_RATES[dr]
    if rate.sf is None:
        return fsk_us(phy_length, rate.bw_hz)
    return lora_us(phy_length, rate.sf, rate.bw_hz, crc=uplink)


def sub_band(frequency_hz):
    """The SubBand of a carrier, None where nobody may send."""
    for band in SUB_BANDS:
        if band.low_hz <= frequency_hz < band.high_hz:
            return band
    return None


def off_time_us(band, sent_us):
    """Microseconds of silence in a sub-band after `sent_us` on air, so that every single frame keeps its duty cycle."""
    return sent_us * (1000 - band.duty_permille) // band.duty_permille


def build_cf_list(frequencies_hz):
    """A CFList (16 bytes) of up to five channels for channels 3 to 7; 0 leaves one out. Raises FrameError."""
    if len(frequencies_hz) > 5 or any(f % 100 or not (f == 0 or usable(f)) for f in frequencies_hz):
        raise FrameError("a CFList holds up to five frequencies between 863 and 870 MHz, in steps of 100 Hz")
    out = b"".join([(f // 100).to_bytes(3, "little") for f in frequencies_hz])
    return out + bytes(16 - len(out))


def parse_cf_list(cf_list):
    """Five frequencies in Hz for channels 3 to 7 (0: none); () for a CFList of another type, or none."""
    if len(cf_list) != 16 or cf_list[15] != 0:
        return ()
    return tuple(int.from_bytes(cf_list[i : i + 3], "little") * 100 for i in range(0, 15, 3))


def usable(frequency_hz):
    """Whether a device may be told to use a frequency: inside the region's band."""
    return FREQUENCY_MIN_HZ <= frequency_hz <= FREQUENCY_MAX_HZ
