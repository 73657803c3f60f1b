"""The network's picture of a device's radio, and the MAC requests that bring it where the plan wants it. Pure.

The rule: the picture is a `Link` as the device has one, and it changes only by what the device has acknowledged, by the
very code that the device runs. What differs from the plan is asked for, a few bytes at a time; what the device refuses
is not asked again in this session, and what it does not answer three times is left alone for a while.
Specification: LoRaWAN 1.0.4, section 5.
"""

from collections import namedtuple

from edge.lorawan import adr, eu868, mac
from edge.lorawan.link import KEEP, Link, handle
from edge.lorawan.security import DOWN

# What the network wants of every device. `channels_hz`: beside the default ones, from channel 3 on.
Plan = namedtuple(
    "Plan",
    ("channels_hz", "rx_delay_s", "rx1_dr_offset", "rx2_dr", "rx2_hz", "max_duty_cycle", "dr_max", "margin_db",
     "status_every_s"),
)  # fmt: skip
EU868 = Plan(
    (867100000, 867300000, 867500000, 867700000, 867900000), 1, 0, eu868.RX2_DR, eu868.RX2_HZ, 0, 5, adr.MARGIN_DB,
    86400,
)  # fmt: skip
TRIES, PAUSE_UPLINKS = 3, 64
STICKY = ("RXParamSetupAns", "RXTimingSetupAns", "DlChannelAns")  # repeated until the device hears a downlink


class Control:
    """One session's picture. `to_dict` for storage; `battery` and `margin_db` as the device last told."""

    def __init__(self, stored=None):
        get = (stored or {}).get
        self.link = Link(get("link"))
        self.history = [list(one) for one in get("history", ())]  # [fcnt, SNR], at unchanged settings
        self.dr_max = get("dr_max", 5)
        self.power_max = get("power_max", eu868.TX_POWER_MAX)
        self.battery, self.margin_db = get("battery"), get("margin_db")
        self.status_s = get("status_s", 0)  # when it told them
        self._own_mask = get("own_mask", False)  # it refused the mask of all channels: it keeps its own
        self._pending = [bytes.fromhex(one) for one in get("pending", ())]
        self._tries = dict(get("tries", {}))  # request -> how often it went unanswered
        self._paused = dict(get("paused", {}))  # request -> frame counter from which on it may be asked again
        self._refused = list(get("refused", ()))  # requests as hex

    def to_dict(self):
        """For JSON."""
        return {
            "link": self.link.to_dict(),
            "history": self.history,
            "dr_max": self.dr_max,
            "power_max": self.power_max,
            "battery": self.battery,
            "margin_db": self.margin_db,
            "status_s": self.status_s,
            "own_mask": self._own_mask,
            "pending": [one.hex() for one in self._pending],
            "tries": self._tries,
            "paused": self._paused,
            "refused": self._refused,
        }

    @classmethod
    def after_join(cls, accept, dr):
        """The picture of a device that has heard this frames.JoinAccept or server.JoinAnswer, asked for at `dr`."""
        control = cls()
        control.link.dr = dr
        control.link.joined(accept)
        return control

    def heard(self, commands, fcnt, dr, snr_db, now_s=0):
        """Take in an uplink (list of mac.Command; dr and SNR None: not known). Whether an answer must follow."""
        urgent = self._answers(commands, fcnt, now_s)
        if dr is not None and dr != self.link.dr:  # it went its own way: it was not heard, or has been told by others
            self.link.dr, self.link.tx_power = dr, 0
            self.history = []
        if snr_db is not None and dr is not None:
            self.history = self.history[1 - adr.HISTORY :] + [[fcnt, snr_db]]
        return urgent

    def requests(self, plan, fcnt, adr_on, now_s=0, room=15):
        """MAC commands to send now, at most `room` bytes; what is sent is remembered until it is answered."""
        out = b""
        pending = []
        status_due = plan.status_every_s and now_s - self.status_s >= plan.status_every_s
        for request in self._wanted(plan, adr_on, status_due):
            key = request.hex()
            if key in self._refused or self._paused.get(key, 0) > fcnt or len(out) + len(request) > room:
                continue
            out += request
            pending.append(request)
        self._pending = pending
        return out

    def _wanted(self, plan, adr_on, status_due):
        link = self.link
        wanted = []
        if link.rx_delay_s != plan.rx_delay_s:
            wanted.append(mac.build("RXTimingSetupReq", delay=plan.rx_delay_s))
        if (link.rx1_dr_offset, link.rx2_dr, link.rx2_hz) != (plan.rx1_dr_offset, plan.rx2_dr, plan.rx2_hz):
            wanted.append(
                mac.build(
                    "RXParamSetupReq", rx1_dr_offset=plan.rx1_dr_offset, rx2_data_rate_index=plan.rx2_dr,
                    rx2_frequency_hz=plan.rx2_hz,
                )
            )  # fmt: skip
        if link.max_duty_cycle != plan.max_duty_cycle:
            wanted.append(mac.build("DutyCycleReq", max_duty_cycle=plan.max_duty_cycle))
        if status_due:
            wanted.append(mac.build("DevStatusReq"))
        wanted += self._link_adr(plan, adr_on)
        return wanted + self._channels(plan)

    def _channels(self, plan):
        """Requests for channels that are missing, are other ones, or answer elsewhere."""
        first = len(eu868.DEFAULT_CHANNELS)
        wanted = []
        for i, hz in enumerate(plan.channels_hz):
            channel = self.link.channels[first + i]
            if channel is None or channel[0] != hz:
                wanted.append(
                    mac.build(
                        "NewChannelReq", channel_index=first + i, frequency_hz=hz, min_dr=0,
                        max_dr=eu868.DR_DEFAULT_MAX,
                    )
                )  # fmt: skip
        for i, channel in enumerate(self.link.channels):
            if channel and channel[1] != channel[0]:
                wanted.append(mac.build("DlChannelReq", channel_index=i, frequency_hz=channel[0]))
        return wanted

    def _link_adr(self, plan, adr_on):
        link = self.link
        mask = sum([1 << i for i, channel in enumerate(link.channels) if channel])
        enabled = sum([1 << i for i, channel in enumerate(link.channels) if channel and channel[4]])
        mask = enabled if self._own_mask else mask
        now = (link.dr, link.tx_power, link.nb_trans)
        dr, power, repeats = now
        if adr_on:
            dr_max = min(plan.dr_max, self.dr_max)
            dr, power, repeats = adr.decide(*now, self.history, dr_max, self.power_max, plan.margin_db)
        if (dr, power, repeats) == now and mask == enabled:
            return []
        keep = not adr_on
        return [
            mac.build(
                "LinkADRReq", data_rate_index=KEEP if keep else dr, tx_power_index=KEEP if keep else power,
                channel_mask=mask, nb_trans=repeats,
            )
        ]  # fmt: skip

    def _answers(self, commands, fcnt, now_s):
        urgent = False
        pending, self._pending = self._pending, []
        for answer in commands:
            if answer.name == "DevStatusAns":
                self.battery, self.margin_db = answer.fields["battery"], answer.fields["margin"]
                self.status_s = now_s
            urgent = urgent or answer.name in STICKY
            for i, request in enumerate(pending):
                (asked,) = mac.parse(request, DOWN)
                if asked.cid == answer.cid:
                    self._answered(request, asked, answer)
                    del pending[i]
                    break
        for request in pending:  # the device did not hear them, or does not know them
            key = request.hex()
            self._tries[key] = self._tries.get(key, 0) + 1
            if self._tries[key] >= TRIES:
                del self._tries[key]
                self._paused[key] = fcnt + PAUSE_UPLINKS
        return urgent

    def _answered(self, request, asked, answer):
        self._tries.pop(request.hex(), None)
        self._paused.pop(request.hex(), None)
        if asked.name == "DevStatusReq":
            return
        if all(answer.fields.values()):
            handle(self.link, [asked])
            if asked.name == "LinkADRReq":
                self.history = []
            return
        if asked.name == "LinkADRReq":
            wanted = asked.fields
            self._own_mask = self._own_mask or not answer.fields["channel_mask_ack"]
            if not answer.fields["data_rate_index_ack"]:
                self.dr_max = max(0, min(self.dr_max, wanted["data_rate_index"] - 1))
            if not answer.fields["tx_power_index_ack"]:
                self.power_max = max(0, min(self.power_max, wanted["tx_power_index"] - 1))
        self._refused.append(request.hex())
