"""What a LoRaWAN device must not forget: DevNonce and counters in NVS, session and radio parameters in a file.

The rule: what is stored is at all times ahead of what has been sent, so no nonce and no counter is used twice, wherever
the power fails. Counters are reserved in blocks; after a loss of power the rest of a block is skipped. NVS survives a
lost file system and new firmware. A session whose counters are not in NVS is not used: nobody knows where they stand.
Wear: docs/lorawan.md. MicroPython only.
"""

import binascii
import json
import struct

from edge.lorawan.device import Device

NONCE, COUNTERS, AIR = "lw_nonce", "lw_count", "lw_air"
FILE = "lorawan.json"
BLOCK = 4  # frame counters; a gap looks like loss to the network, which then has frames repeated
_COUNTERS = "<III"  # of which session (check sum of its key), uplinks below this may be used, next downlink


class Unkept(Exception):
    """What has to be stored before a frame goes out could not be."""


class Memory:
    """`kept`: {"up", "down", "of"} of the memory that outlives a deep sleep, {} where it is not to be trusted."""

    def __init__(self, board, kept):
        self._nvs, self._files = board.nvs, board.files
        self._reserved = 0
        self._text = self._read_file()
        self._kept = kept

    def load(self, aes, identity):
        """The Device as it was, or a new one."""
        stored = self._parse()
        if identity["activation"] == "abp":
            address, nwk = int(identity["dev_addr"], 16), bytes.fromhex(identity["nwk_skey"])
            device = Device.abp(aes, address, nwk, bytes.fromhex(identity["app_skey"]), stored)
        else:
            eui, key = int(identity["dev_eui"], 16), bytes.fromhex(identity["app_key"])
            device = Device(aes, int(identity.get("join_eui") or "0", 16), eui, key, stored)
        device.dev_nonce = max(device.dev_nonce, self._nvs.get(NONCE) or 0)
        if device.session:
            self._count_on(device, identity["activation"] == "abp")
        return device

    def air(self):
        """The promise of air time (edge.lorawan.budget)."""
        return self._nvs.get(AIR) or b""

    def keep_air(self, promise):
        self._set(AIR, promise)

    def before_join(self, device):
        """Call between `join_request` and sending it."""
        self._set(NONCE, device.dev_nonce)

    def before_uplink(self, device):
        """Call between `uplink` and sending it."""
        if device.session.fcnt_up > self._reserved:
            self._keep_counters(device, device.session.fcnt_up - 1 + BLOCK)

    def before_session(self, device):
        """Call before `keep` stores a new session: its counters come first."""
        self._keep_counters(device, 0)

    def heard(self, device):
        """Call before anything that a downlink says is acted on: it cannot be replayed any more."""
        self._keep_counters(device, self._reserved)

    def keep(self, device):
        """Session and link, where they have changed. False where the file could not be written."""
        whole = device.to_dict()
        session = whole["session"]
        if session:
            session["fcnt_up"] = session["fcnt_down"] = 0  # these are in NVS
        text = json.dumps({"session": session, "link": whole["link"], "dev_nonce": device.dev_nonce})
        if text == self._text:
            return True
        try:
            self._files.write(FILE, text.encode())
        except OSError:
            return False
        self._text = text
        return True

    def to_dict(self, device):
        """For the memory that outlives a deep sleep."""
        if not device.session:
            return {}
        return {"up": device.session.fcnt_up, "down": device.session.fcnt_down, "of": _mark(device.session)}

    def _count_on(self, device, personalised):
        of, reserved, down = self._counters()
        session, mark = device.session, _mark(device.session)
        if of != mark:
            if personalised:  # never used under these keys, or everything was erased
                self._keep_counters(device, 0)
            else:
                device.session = None
            return
        self._reserved = reserved
        up = reserved
        if self._kept.get("of") == mark and self._kept["up"] <= reserved:
            up, down = self._kept["up"], max(down, self._kept["down"])
        device.session = session.advanced(fcnt_up=up, fcnt_down=down)

    def _counters(self):
        stored = self._nvs.get(COUNTERS) or b""
        return struct.unpack(_COUNTERS, stored) if len(stored) == struct.calcsize(_COUNTERS) else (None, 0, 0)

    def _keep_counters(self, device, reserved):
        session = device.session
        reserved = min(reserved, 0xFFFFFFFF)
        self._set(COUNTERS, struct.pack(_COUNTERS, _mark(session), reserved, session.fcnt_down))
        self._reserved = reserved

    def _set(self, key, value):
        try:
            self._nvs.set(key, value)
        except OSError as error:
            raise Unkept("NVS cannot be written: %r" % error) from None

    def _read_file(self):
        try:
            return (self._files.read(FILE) or b"").decode()
        except (OSError, ValueError, UnicodeError):
            return ""

    def _parse(self):
        """The file's content; one that is damaged or of another firmware is as good as none."""
        try:
            stored = json.loads(self._text) if self._text else {}
            Device(None, stored=stored).to_dict()
            return stored
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            self._text = ""
            return {}


def _mark(session):
    return binascii.crc32(session.nwk_skey) & 0xFFFFFFFF
