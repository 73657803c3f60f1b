"""The device role: join, send, hear. No radio, no clock, no flash: bytes in, bytes and values out.

The rule: `to_dict()` is stored before the bytes made by `join_request` or `uplink` are sent, so that no DevNonce and
no frame counter is ever used twice, whatever happens to the power. Sending the same bytes again (NbTrans, no
acknowledgement) is the caller's and changes nothing here. Specification: LoRaWAN 1.0.4, sections 4, 5 and 6.
"""

from collections import namedtuple

from edge.lorawan import eu868, frames, mac
from edge.lorawan.counters import FCNT_MAX, NEW, classify, reconstruct
from edge.lorawan.frames import FrameError
from edge.lorawan.link import BATTERY_UNKNOWN, Link, handle
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, decrypt_join_accept, join_mic, session_keys
from edge.lorawan.session import Session

# What hearing something can mean.
Joined = namedtuple("Joined", ("dev_addr",))
Downlink = namedtuple("Downlink", ("fcnt", "fport", "payload", "ack", "confirmed", "f_pending", "mac"))
Ignored = namedtuple("Ignored", ("reason",))

DEV_NONCE_MAX = 0xFFFF


class Device:
    """One device. OTAA: give the two EUIs and the AppKey; ABP: `Device.abp`. `stored` is a `to_dict()` from before."""

    def __init__(self, aes, join_eui=0, dev_eui=0, app_key=b"", stored=None):
        stored = stored or {}
        self._aes = aes
        self._join_eui, self._dev_eui, self._app_key = join_eui, dev_eui, app_key
        self.dev_nonce = stored.get("dev_nonce", 0)  # the next one to use
        self._awaited = None  # DevNonce of the join that is under way
        session = stored.get("session")
        self.session = Session.from_dict(session) if session else None
        self.link = Link(stored.get("link"))
        self._answers = [(bytes.fromhex(a), sticky) for a, sticky in stored.get("answers", ())]
        self._ack_due = stored.get("ack_due", False)
        self.unheard = stored.get("unheard", 0)  # uplinks since the last downlink
        self.adr = True  # the network may set data rate and power; without, both stay and nobody asks

    @classmethod
    def abp(cls, aes, dev_addr, nwk_skey, app_skey, stored=None):
        """A device activated by personalisation; its counters live as long as its address and keys."""
        device = cls(aes, stored=stored)
        new, old = Session(dev_addr, nwk_skey, app_skey), device.session
        if old and (old.dev_addr, old.nwk_skey, old.app_skey) == (dev_addr, nwk_skey, app_skey):
            return device
        device = cls(aes)
        device.session = new
        return device

    def to_dict(self):
        """Everything that has to survive a loss of power, for JSON; the AppKey is not in it."""
        return {
            "dev_nonce": self.dev_nonce,
            "session": self.session and self.session.to_dict(),
            "link": self.link.to_dict(),
            "answers": [[answer.hex(), sticky] for answer, sticky in self._answers],
            "ack_due": self._ack_due,
            "unheard": self.unheard,
        }

    def join_request(self):
        """The next JoinRequest (bytes). Raises FrameError when the 65,536 DevNonces of this AppKey are used up."""
        if self.dev_nonce > DEV_NONCE_MAX:
            raise FrameError("every DevNonce of this AppKey has been used: give the device a new AppKey")
        self._awaited = self.dev_nonce
        self.dev_nonce += 1
        body = frames.build_join_request(self._join_eui, self._dev_eui, self._awaited)
        return body + join_mic(self._aes(self._app_key), body)

    def on_join_accept(self, phy):
        """`Joined | Ignored`: what was heard after `join_request`."""
        if self._awaited is None:
            return Ignored("no join is under way")
        try:
            if not isinstance(frames.parse(phy), frames.EncryptedJoinAccept):
                return Ignored("not a JoinAccept")
            app = self._aes(self._app_key)
            accept = frames.parse_join_accept(decrypt_join_accept(app, phy))
        except FrameError as error:
            return Ignored(str(error))
        if join_mic(app, accept.phy[:-4]) != accept.mic:
            return Ignored("bad MIC")
        # A JoinAccept does not name the DevNonce it answers: the one of the session at hand must be an echo.
        if self.session and accept.join_nonce == self.session.join_nonce:
            return Ignored("this JoinAccept was used before")
        nwk_skey, app_skey = session_keys(app, accept.join_nonce, accept.net_id, self._awaited)
        self.session = Session(
            accept.dev_addr, nwk_skey, app_skey, 0, 0, accept.join_nonce, self._awaited,
            accept.rx1_dr_offset, accept.rx2_data_rate, accept.rx_delay or 1,
        )  # fmt: skip
        self.link.joined(accept)
        self._awaited, self._answers, self._ack_due, self.unheard = None, [], False, 0
        return Joined(accept.dev_addr)

    def room(self):
        """Bytes of payload the next uplink can carry at the current data rate."""
        return eu868.frm_payload_max(self.link.dr) - len(self._fopts()[0])

    def uplink(self, payload=b"", fport=None, confirmed=False):
        """The next data frame (bytes), with the answers that are due. Raises FrameError: no session, room or port."""
        session = self.session
        if session is None:
            raise FrameError("the device has not joined yet")
        if session.fcnt_up > FCNT_MAX:
            raise FrameError("the session's uplink counter has run out, join again")
        if fport is not None and not 1 <= fport <= 224:
            raise FrameError("port %r is not an application's: 1 to 223, 224 for tests" % fport)
        if len(payload) > self.room():
            text = "%d bytes do not fit at data rate %d: %d do"
            raise FrameError(text % (len(payload), self.link.dr, self.room()))
        fopts, left = self._fopts()
        nwk, fcnt, addr = self._aes(session.nwk_skey), session.fcnt_up, session.dev_addr
        body = frames.build_data(
            frames.CONFIRMED_UP if confirmed else frames.UNCONFIRMED_UP, addr, fcnt, fopts, fport,
            crypt_payload(self._aes(session.app_skey), UP, addr, fcnt, payload),
            adr=self.adr, adr_ack_req=self.adr and self.unheard >= eu868.ADR_ACK_LIMIT, ack=self._ack_due,
        )  # fmt: skip
        self._answers = left
        self._ack_due = False
        self._adapt()
        self.session = session.advanced(fcnt_up=fcnt + 1)
        return body + data_mic(nwk, UP, addr, fcnt, body)

    def request(self, name):
        """Ask the network with the next uplink: "LinkCheckReq" or "DeviceTimeReq"."""
        asked = (mac.build(name), False)
        if asked not in self._answers:
            self._answers.append(asked)

    def on_downlink(self, phy, battery=BATTERY_UNKNOWN, margin_db=0):
        """`Downlink | Ignored`: what was heard in a receive window. MAC commands are obeyed, answers go up next."""
        session = self.session
        if session is None:
            return Ignored("the device has not joined yet")
        try:
            frame = frames.parse(phy)
        except FrameError as error:
            return Ignored(str(error))
        if not isinstance(frame, frames.DataFrame) or frames.is_uplink(frame.mtype):
            return Ignored("not a downlink")
        if frame.dev_addr != session.dev_addr:
            return Ignored("for another device")
        fcnt = reconstruct(session.fcnt_down, frame.fcnt16)
        if classify(session.fcnt_down, fcnt) != NEW:
            return Ignored("heard before")
        nwk = self._aes(session.nwk_skey)
        if data_mic(nwk, DOWN, frame.dev_addr, fcnt, phy[:-4]) != frame.mic:
            return Ignored("bad MIC")
        if frames.conflict(frame):
            return Ignored(frames.conflict(frame))
        return self._take(session, frame, fcnt, nwk, battery, margin_db)

    def _take(self, session, frame, fcnt, nwk, battery, margin_db):
        key = nwk if frame.fport == 0 else self._aes(session.app_skey)
        payload = crypt_payload(key, DOWN, frame.dev_addr, fcnt, frame.frm_payload)
        commands = mac.parse(payload if frame.fport == 0 else frame.fopts, DOWN)
        confirmed = frame.mtype == frames.CONFIRMED_DOWN
        self.session = session.advanced(fcnt_down=fcnt + 1)
        self._answers = [a for a in self._answers if not a[1]] + handle(self.link, commands, battery, margin_db)
        self._ack_due = confirmed
        self.unheard = 0
        return Downlink(fcnt, frame.fport, payload, frame.ack, confirmed, frame.f_pending, commands)

    def _fopts(self):
        """(bytes for FOpts now, what is to be sent afterwards): whole answers, as many as fit."""
        now, left = b"", []
        full = False
        for answer, sticky in self._answers:
            full = full or len(now) + len(answer) > frames.FOPTS_MAX
            if not full:
                now += answer
            if full or sticky:
                left.append((answer, sticky))
        return now, left

    def _adapt(self):
        """Count an uplink that nobody answered, and step back once too many were not."""
        self.unheard += 1
        over = self.unheard - eu868.ADR_ACK_LIMIT - eu868.ADR_ACK_DELAY
        if self.adr and over >= 0 and over % eu868.ADR_ACK_DELAY == 0:
            self.link.back_off()
