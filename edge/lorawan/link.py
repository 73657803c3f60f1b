"""The device's radio parameters, and what the network's MAC commands do to them.

The rule: a request is taken as a whole or not at all, its answer says which part failed, and a request this device does
not know is not answered. Everything is a plain number, so that the state survives as a dict. No radio in here.
Specification: LoRaWAN 1.0.4, section 5; RP002-1.0.4, section 2.4.
"""

from edge.lorawan import eu868, mac

KEEP = 15  # in LinkADRReq: leave data rate or power as they are
BATTERY_UNKNOWN = 255


class Link:
    """`channels` is a list of 16: [uplink_hz, downlink_hz, min_dr, max_dr, enabled], or None where there is none."""

    def __init__(self, stored=None):
        self._set(stored or {})

    def _set(self, stored):
        get = stored.get
        default: list = [[hz, hz, low, high, True] for hz, low, high in eu868.DEFAULT_CHANNELS]
        default += [None] * (eu868.CHANNELS_MAX - len(default))
        self.channels = [c and list(c) for c in get("channels", default)]
        self.dr = get("dr", 0)
        self.tx_power = get("tx_power", 0)  # index, 0 is the strongest
        self.nb_trans = get("nb_trans", 1)  # how often an unconfirmed uplink is sent
        self.rx1_dr_offset = get("rx1_dr_offset", 0)
        self.rx2_dr = get("rx2_dr", eu868.RX2_DR)
        self.rx2_hz = get("rx2_hz", eu868.RX2_HZ)
        self.rx_delay_s = get("rx_delay_s", eu868.RX1_DELAY_S)
        self.max_duty_cycle = get("max_duty_cycle", 0)  # of all bands together: 1 / 2**n

    def to_dict(self):
        """For storage; `Link(stored)` brings it back."""
        return {
            "channels": [c and list(c) for c in self.channels],
            "dr": self.dr,
            "tx_power": self.tx_power,
            "nb_trans": self.nb_trans,
            "rx1_dr_offset": self.rx1_dr_offset,
            "rx2_dr": self.rx2_dr,
            "rx2_hz": self.rx2_hz,
            "rx_delay_s": self.rx_delay_s,
            "max_duty_cycle": self.max_duty_cycle,
        }

    def usable_channels(self, dr=None):
        """Enabled channels (lists as above) that carry a data rate, the current one unless told."""
        dr = self.dr if dr is None else dr
        return [c for c in self.channels if c and c[4] and c[2] <= dr <= c[3]]

    def windows(self, channel, dr=None):
        """((delay_s, frequency_hz, dr), …): the two receive windows after an uplink on a channel, at a data rate."""
        dr = self.dr if dr is None else dr
        rx1 = (self.rx_delay_s, channel[1], eu868.rx1_data_rate(dr, self.rx1_dr_offset))
        return rx1, (self.rx_delay_s + 1, self.rx2_hz, self.rx2_dr)

    def joined(self, accept):
        """What a frames.JoinAccept sets; everything else returns to the region's defaults, the data rate stays."""
        self._set({"dr": self.dr})
        self.rx1_dr_offset = min(accept.rx1_dr_offset, eu868.RX1_DR_OFFSET_MAX)
        self.rx2_dr = accept.rx2_data_rate if accept.rx2_data_rate < len(eu868.DATA_RATES) else eu868.RX2_DR
        self.rx_delay_s = accept.rx_delay or 1
        for i, hz in enumerate(eu868.parse_cf_list(accept.cf_list)):
            if eu868.usable(hz):
                self.channels[3 + i] = [hz, hz, 0, eu868.DR_DEFAULT_MAX, True]

    def back_off(self):
        """One step towards being heard again: full power, then a slower rate, then the default channels."""
        if self.tx_power:
            self.tx_power = 0
        elif self.dr:
            self.dr -= 1
        else:
            self.nb_trans = 1
            for channel in self.channels[: len(eu868.DEFAULT_CHANNELS)]:
                channel[4] = True


def handle(link, commands, battery=BATTERY_UNKNOWN, margin_db=0):
    """Apply a downlink's commands (list of mac.Command) to the link; `[(answer bytes, sticky)]` to send back.

    Sticky answers are repeated until a downlink shows that the network heard them. `battery` is 1 (empty) to 254,
    0 on mains; `margin_db` the downlink's signal-to-noise ratio.
    """
    answers = []
    i = 0
    while i < len(commands):
        name = commands[i].name
        if name == "LinkADRReq":  # neighbours are one request
            block = [commands[i].fields]
            while i + len(block) < len(commands) and commands[i + len(block)].name == name:
                block.append(commands[i + len(block)].fields)
            answers += [(_link_adr(link, block), False)] * len(block)
            i += len(block)
            continue
        if name == "DevStatusReq":
            margin = max(-32, min(31, int(margin_db)))
            answers.append((mac.build("DevStatusAns", battery=battery, margin=margin), False))
        elif name in _HANDLERS:
            answers.append((_HANDLERS[name](link, commands[i].fields), name in _STICKY))
        i += 1
    return answers


def _link_adr(link, block):
    mask, mask_ok = 0, True
    for i, channel in enumerate(link.channels):
        mask |= 1 << i if channel and channel[4] else 0
    defined = 0
    for i, channel in enumerate(link.channels):
        defined |= 1 << i if channel else 0
    for request in block:
        control = request["channel_mask_control"]
        if control == 6:
            mask = defined
        elif control == 0:
            mask = request["channel_mask"]
        else:
            mask_ok = False
    mask_ok = mask_ok and mask != 0 and mask & ~defined == 0
    last = block[-1]
    dr = link.dr if last["data_rate_index"] == KEEP else last["data_rate_index"]
    power = link.tx_power if last["tx_power_index"] == KEEP else last["tx_power_index"]
    chosen = [c for i, c in enumerate(link.channels) if c and mask >> i & 1]
    dr_ok = dr < len(eu868.DATA_RATES) and (not mask_ok or any(c[2] <= dr <= c[3] for c in chosen))
    power_ok = power <= eu868.TX_POWER_MAX
    if mask_ok and dr_ok and power_ok:
        for i, channel in enumerate(link.channels):
            if channel:
                channel[4] = bool(mask >> i & 1)
        link.dr, link.tx_power = dr, power
        link.nb_trans = last["nb_trans"] or link.nb_trans
    return mac.build("LinkADRAns", channel_mask_ack=mask_ok, data_rate_index_ack=dr_ok, tx_power_index_ack=power_ok)


def _duty_cycle(link, request):
    link.max_duty_cycle = request["max_duty_cycle"]
    return mac.build("DutyCycleAns")


def _rx_param_setup(link, request):
    offset, dr, hz = request["rx1_dr_offset"], request["rx2_data_rate_index"], request["rx2_frequency_hz"]
    offset_ok = offset <= eu868.RX1_DR_OFFSET_MAX
    dr_ok, hz_ok = dr < len(eu868.DATA_RATES), eu868.usable(hz)
    if offset_ok and dr_ok and hz_ok:
        link.rx1_dr_offset, link.rx2_dr, link.rx2_hz = offset, dr, hz
    return mac.build("RXParamSetupAns", rx2_frequency_ack=hz_ok, rx2_dr_ack=dr_ok, rx1_dr_offset_ack=offset_ok)


def _new_channel(link, request):
    i, hz, low, high = request["channel_index"], request["frequency_hz"], request["min_dr"], request["max_dr"]
    may = len(eu868.DEFAULT_CHANNELS) <= i < eu868.CHANNELS_MAX  # the default channels are read-only
    hz_ok = may and (hz == 0 or eu868.usable(hz))
    dr_ok = may and low <= high < len(eu868.DATA_RATES)
    if hz_ok and (dr_ok or hz == 0):
        link.channels[i] = [hz, hz, low, high, True] if hz else None
    return mac.build("NewChannelAns", frequency_ack=hz_ok, data_rate_ack=dr_ok)


def _rx_timing_setup(link, request):
    link.rx_delay_s = request["delay"] or 1
    return mac.build("RXTimingSetupAns")


def _dl_channel(link, request):
    i, hz = request["channel_index"], request["frequency_hz"]
    channel = link.channels[i] if i < eu868.CHANNELS_MAX else None
    hz_ok = eu868.usable(hz)
    if channel and hz_ok:
        channel[1] = hz
    return mac.build("DlChannelAns", frequency_ack=hz_ok, uplink_frequency_ack=channel is not None)


_HANDLERS = {
    "DutyCycleReq": _duty_cycle,
    "RXParamSetupReq": _rx_param_setup,
    "NewChannelReq": _new_channel,
    "RXTimingSetupReq": _rx_timing_setup,
    "DlChannelReq": _dl_channel,
}
_STICKY = ("RXParamSetupReq", "RXTimingSetupReq", "DlChannelReq")
