"""MAC commands in words and units: one function a field, one table for all of them.

The rule: a field without words of its own is shown as its number, so that a new row of `edge.lorawan.mac` needs
nothing here. Units: MHz, dB, dBm EIRP, seconds. Specification: LoRaWAN 1.0.4, section 5; RP002-1.0.4, section 2.4.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.lorawan import eu868, mac
from edge.lorawan.link import KEEP

GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
LEAP_SECONDS = 18  # GPS is ahead of UTC by these since 2017
WHAT = {
    "LinkCheckReq": "how well am I heard?",
    "LinkCheckAns": "so well you are heard",
    "LinkADRReq": "use these radio settings",
    "LinkADRAns": "the radio settings",
    "DutyCycleReq": "keep silent the rest of the time",
    "DutyCycleAns": "taken",
    "RXParamSetupReq": "listen so in the windows",
    "RXParamSetupAns": "the receive windows",
    "DevStatusReq": "how are you?",
    "DevStatusAns": "so I am",
    "NewChannelReq": "set a channel",
    "NewChannelAns": "the channel",
    "RXTimingSetupReq": "listen so much later",
    "RXTimingSetupAns": "taken",
    "TxParamSetupReq": "limits for sending",
    "TxParamSetupAns": "taken",
    "DlChannelReq": "listen elsewhere after this channel",
    "DlChannelAns": "the downlink frequency",
    "DeviceTimeReq": "what time is it?",
    "DeviceTimeAns": "the time at the uplink's end",
    mac.UNKNOWN: "no command of LoRaWAN 1.0, or what follows one",
    mac.INCOMPLETE: "cut off",
}


def data_rate(index: int) -> str:
    """`DR5: SF7, 125 kHz`."""
    if index >= len(eu868.DATA_RATES):
        return f"DR{index}: not in EU868"
    rate = eu868.DATA_RATES[index]
    return f"DR{index}: " + (f"SF{rate.sf}, {rate.bw_hz // 1000} kHz" if rate.sf else "FSK, 50 kbit/s")


def megahertz(hz: int) -> str:
    """`868.1 MHz`; outside of the region it says so."""
    return f"{hz / 1e6:.10g} MHz" + ("" if eu868.usable(hz) else ", outside EU868")


def _kept_rate(index: int) -> str:
    return "stays as it is" if index == KEEP else data_rate(index)


def _power(index: int) -> str:
    if index == KEEP:
        return "stays as it is"
    return (
        f"{index}: {eu868.MAX_EIRP_DBM - 2 * index} dBm EIRP" if index <= eu868.TX_POWER_MAX else f"{index}: reserved"
    )


def _mask(mask: int) -> str:
    on = [str(i) for i in range(16) if mask >> i & 1]
    return f"channels {', '.join(on)} on" if on else "no channel"


def _mask_control(control: int) -> str:
    return {0: "the mask is of channels 0 to 15", 6: "all channels on"}.get(control, "reserved in EU868")


def _times(n: int) -> str:
    return f"each uplink {n} times" if n > 1 else "each uplink once" if n else "stays as it is"


def _duty(n: int) -> str:
    return f"at most 1/{1 << n} of the time ({100 / (1 << n):.3g} %)" if n else "no limit but the law's"


def _seconds(s: int) -> str:
    return f"RX1 opens {s or 1} s after the uplink"


def _battery(level: int) -> str:
    return {0: "on mains", 255: "cannot be measured"}.get(level, f"{(level - 1) / 2.53:.0f} % ({level} of 254)")


def _channel_hz(hz: int) -> str:
    return megahertz(hz) if hz else "0: take the channel away"


def _gps(seconds: int) -> str:
    return f"{GPS_EPOCH + timedelta(seconds=seconds - LEAP_SECONDS):%Y-%m-%d %H:%M:%S} UTC"


def _dwell(limited: bool) -> str:
    return "at most 400 ms a frame" if limited else "no limit"


def _taken(taken: bool) -> str:
    return "accepted" if taken else "REFUSED"


WORDS: dict[str, Callable[[Any], str]] = {
    "margin": lambda db: f"{db} dB above the need",
    "gateway_count": lambda n: f"heard by {n} gateway{'' if n == 1 else 's'}",
    "tx_power_index": _power,
    "data_rate_index": _kept_rate,
    "rx2_data_rate_index": data_rate,
    "channel_mask": _mask,
    "channel_mask_control": _mask_control,
    "nb_trans": _times,
    "max_duty_cycle": _duty,
    "rx1_dr_offset": lambda n: f"RX1 {n} data rates below the uplink" if n else "RX1 as the uplink",
    "rx2_frequency_hz": megahertz,
    "battery": _battery,
    "channel_index": lambda n: f"channel {n}",
    "frequency_hz": _channel_hz,
    "min_dr": data_rate,
    "max_dr": data_rate,
    "delay": _seconds,
    "max_eirp_dbm": lambda dbm: f"{dbm} dBm EIRP",
    "uplink_dwell": _dwell,
    "downlink_dwell": _dwell,
    "gps_seconds": _gps,
    "fraction_256ths": lambda n: f"{n / 256:.3f} s",
    "period": lambda n: f"a ping slot every {1 << n} s",
}
OF_COMMAND: dict[tuple[str, str], Callable[[Any], str]] = {
    ("DevStatusAns", "margin"): lambda db: f"SNR {db} dB of the request",
    ("BeaconTimingAns", "delay"): lambda n: f"next beacon in {30 * n} to {30 * n + 30} ms",
}


def words(command: str, field: str, value: Any) -> str:
    """What a field of a command says."""
    if field.endswith("_ack"):
        return _taken(value)
    say = OF_COMMAND.get((command, field)) or WORDS.get(field)
    return say(value) if say else str(value)


def label(field: str) -> str:
    """A field's name for people, short enough for a column."""
    short = field.removesuffix("_index").removesuffix("_ack").removesuffix("_hz").removesuffix("_dbm")
    return _SHORT.get(field) or short.replace("_", " ")


_SHORT = {
    "channel_mask_control": "mask control", "rx2_data_rate_index": "RX2 rate", "rx1_dr_offset": "RX1 offset",
    "rx2_frequency_hz": "RX2 frequency", "rx2_frequency_ack": "RX2 frequency", "rx2_dr_ack": "RX2 rate",
    "rx1_dr_offset_ack": "RX1 offset", "nb_trans": "repetition", "max_duty_cycle": "duty cycle",
    "uplink_frequency_ack": "uplink freq.", "channel_mask_ack": "channel mask", "tx_power_index": "power",
    "tx_power_index_ack": "power", "data_rate_index_ack": "data rate", "fraction_256ths": "fraction",
    "gateway_count": "gateways", "uplink_dwell": "dwell up", "downlink_dwell": "dwell down",
}  # fmt: skip
