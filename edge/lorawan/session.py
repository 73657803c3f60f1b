"""A LoRaWAN session: address, keys and counters, one value for both roles. Whoever holds it stores it."""

from edge.lorawan.frames import addr_text, number


class Session:
    """Immutable by custom: `advanced` gives the next one. Keys are 16 bytes and never part of `repr`."""

    __slots__ = (
        "app_skey", "dev_addr", "dev_nonce", "fcnt_down", "fcnt_up", "join_nonce", "nwk_skey", "rx1_dr_offset",
        "rx2_data_rate", "rx_delay",
    )  # fmt: skip

    def __init__(
        self, dev_addr, nwk_skey, app_skey, fcnt_up=0, fcnt_down=0, join_nonce=0, dev_nonce=0,
        rx1_dr_offset=0, rx2_data_rate=0, rx_delay=1,
    ):  # fmt: skip
        self.dev_addr = dev_addr
        self.nwk_skey = nwk_skey
        self.app_skey = app_skey
        self.fcnt_up = fcnt_up  # next uplink: to send (device), expected (network)
        self.fcnt_down = fcnt_down  # next downlink: expected (device), to send (network)
        self.join_nonce = join_nonce  # 0: activated by personalisation
        self.dev_nonce = dev_nonce
        self.rx1_dr_offset = rx1_dr_offset
        self.rx2_data_rate = rx2_data_rate
        self.rx_delay = rx_delay  # seconds, 1 to 15

    def advanced(self, fcnt_up=None, fcnt_down=None):
        """The same session with one or both counters moved."""
        return Session(
            self.dev_addr,
            self.nwk_skey,
            self.app_skey,
            self.fcnt_up if fcnt_up is None else fcnt_up,
            self.fcnt_down if fcnt_down is None else fcnt_down,
            self.join_nonce,
            self.dev_nonce,
            self.rx1_dr_offset,
            self.rx2_data_rate,
            self.rx_delay,
        )

    def to_dict(self):
        """For JSON: address and keys as hex, the rest as numbers."""
        return {
            "dev_addr": addr_text(self.dev_addr),
            "nwk_skey": self.nwk_skey.hex(),
            "app_skey": self.app_skey.hex(),
            "fcnt_up": self.fcnt_up,
            "fcnt_down": self.fcnt_down,
            "join_nonce": self.join_nonce,
            "dev_nonce": self.dev_nonce,
            "rx1_dr_offset": self.rx1_dr_offset,
            "rx2_data_rate": self.rx2_data_rate,
            "rx_delay": self.rx_delay,
        }

    @classmethod
    def from_dict(cls, stored):
        """The session of a `to_dict`; keys it does not name take their defaults. Raises KeyError, ValueError."""
        values = dict(stored)
        values["dev_addr"] = number(values["dev_addr"])
        values["nwk_skey"] = bytes.fromhex(values["nwk_skey"])
        values["app_skey"] = bytes.fromhex(values["app_skey"])
        return cls(**values)

    def __eq__(self, other):
        return isinstance(other, Session) and self.to_dict() == other.to_dict()

    def __hash__(self):
        return hash((self.dev_addr, self.nwk_skey, self.fcnt_up, self.fcnt_down))

    def __repr__(self):
        return "Session(%s, fcnt_up=%d, fcnt_down=%d)" % (addr_text(self.dev_addr), self.fcnt_up, self.fcnt_down)
