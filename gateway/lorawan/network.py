"""The built-in LoRaWAN network role: one reception in, one value out that says what to publish, keep and answer.

No socket, no clock, no random numbers: sessions, directory and times are handed in. What is refused is a value with a
reason, so that it can be counted. Sessions are written before the result is returned; whoever calls commits
them before acting on it. A genuine frame that is not newer than the last one and not that one again is no reading,
for anybody may have replayed it; its payload is kept all the same, since a device may have begun to count anew.

Specification: LoRaWAN 1.0.4; RP002-1.0.4 EU863-870. The frames themselves are `edge.lorawan`.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.control import EU868, Control, Plan
from edge.lorawan.security import UP, crypt_payload, data_mic
from edge.lorawan.session import Session
from gateway.decode import NOTHING, Payload, Read, decode
from gateway.health import Note, Power, Trouble
from gateway.lorawan import answers, windows
from gateway.lorawan.aes import aes
from gateway.lorawan.dedup import Reception
from gateway.lorawan.downlinks import Downlinks, Item
from gateway.ports import DeviceDirectory, SessionStore
from gateway.spool import Undecoded
from gateway.tell import OWN_CODEC, Tell
from schemas.models import Activation, Device, Link


class Outcome(StrEnum):
    """What a frame was."""

    READINGS = "readings"
    UNDECODED = "undecoded"
    STATUS = "status"  # of one of our own devices
    EMPTY = "empty"  # genuine, without a payload for us
    JOIN = "join"
    JOIN_REFUSED = "join_refused"
    UNKNOWN_DEVICE = "unknown_device"
    NOT_FOR_US = "not_for_us"
    BAD_MIC = "bad_mic"
    RETRANSMISSION = "retransmission"
    REPLAY = "replay"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a reception. `detail`: for people."""

    outcome: Outcome
    device: str | None = None
    detail: str = ""
    read: Read = NOTHING
    downlink: answers.Downlink | None = None
    notes: tuple[Note, ...] = ()  # of the device's health


class Network:
    """Steps from a reception to a value. `net_id` 0 and 1 are for private networks."""

    def __init__(
        self, directory: DeviceDirectory, sessions: SessionStore, downlinks: Downlinks, tell: Tell,
        net_id: int = 0,
        plan: Plan = EU868,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._sessions = sessions
        self._downlinks = downlinks
        self._tell = tell
        self._net_id = net_id
        self._plan = plan

    def handle(self, reception: Reception) -> Handled:
        """Everything that follows from one frame."""
        try:
            frame = frames.parse(reception.best.phy)
        except frames.FrameError as error:
            return Handled(Outcome.MALFORMED, detail=str(error))
        if isinstance(frame, frames.JoinRequest):
            return self._join(frame, reception)
        if isinstance(frame, frames.DataFrame) and frames.is_uplink(frame.mtype):
            return self._data(frame, reception)
        return Handled(Outcome.NOT_FOR_US, detail="a downlink of some network")

    def _join(self, request: frames.JoinRequest, reception: Reception) -> Handled:
        dev_eui = frames.eui_text(request.dev_eui)
        device = self._directory.by_dev_eui(dev_eui)
        if device is None or device.activation is not Activation.OTAA or device.app_key is None:
            return Handled(Outcome.UNKNOWN_DEVICE, detail=dev_eui)
        if device.join_eui not in (None, frames.eui_text(request.join_eui)):
            return Handled(Outcome.JOIN_REFUSED, device.device, "JoinEUI %016x is not the device's" % request.join_eui)
        join_nonce = self._sessions.join_nonce(dev_eui) + 1
        join_key = _join_key(device.app_key, request)
        used = (request.dev_nonce,) if self._sessions.is_used(dev_eui, join_key, request.dev_nonce) else ()
        # Ours count their DevNonces up (1.0.4); other makes may draw them (1.0.2, 1.0.3).
        last = self._sessions.last_nonce(dev_eui, join_key) if device.codec == OWN_CODEC else None
        plan, cf_list = self._plan, eu868.build_cf_list(self._plan.channels_hz)
        answer = server.accept_join(
            aes, request, bytes.fromhex(device.app_key), join_nonce, self._net_id, _address(dev_eui, join_nonce),
            last, used, plan.rx1_dr_offset, plan.rx2_dr, plan.rx_delay_s, cf_list,
        )  # fmt: skip
        if isinstance(answer, server.BadMic):
            what = "JoinRequest with another AppKey"
            return Handled(Outcome.BAD_MIC, device.device, what, notes=(_trouble(reception, "OTAA", what),))
        if isinstance(answer, server.Refused):
            trouble = _trouble(reception, "OTAA", answer.reason)
            return Handled(Outcome.JOIN_REFUSED, device.device, answer.reason, notes=(trouble,))
        self._sessions.add(dev_eui, join_key, answer.session, Control.after_join(answer, _data_rate(reception) or 0))
        ways = windows.after_join(reception)
        downlink = answers.Downlink(device.device, answer.phy, ways) if ways else None
        address = frames.addr_text(answer.session.dev_addr)
        note = Note(via="lorawan", time_ms=reception.received_ms, joined=True, dev_addr=address)
        return Handled(Outcome.JOIN, device.device, "session %d" % join_nonce, downlink=downlink, notes=(note,))

    def _data(self, frame: frames.DataFrame, reception: Reception) -> Handled:
        refused = Handled(Outcome.NOT_FOR_US, detail="DevAddr " + frames.addr_text(frame.dev_addr))
        for key, device, session in self._candidates(frames.addr_text(frame.dev_addr)):
            opened = server.open_uplink(aes, session, frame)
            if isinstance(opened, server.Uplink):
                return self._uplink(key, device, opened, frame, reception)
            if isinstance(opened, server.Retransmission) and self._is_last(key, session, frame):
                return self._again(key, device, session, opened, frame, reception)
            old = _old_count(opened, session, frame)
            if old is not None:
                refused = _replay(device, session, frame, old, reception)
            elif isinstance(opened, server.Refused):
                refused = Handled(Outcome.MALFORMED, device.device, opened.reason)
            elif refused.outcome is Outcome.NOT_FOR_US:
                refused = Handled(Outcome.BAD_MIC, device.device, "DevAddr " + frames.addr_text(frame.dev_addr))
        return refused

    def _is_last(self, key: str, session: Session, frame: frames.DataFrame) -> bool:
        """Whether this is the session's newest uplink, not only its counter."""
        return bool(frame.mic == self._sessions.last_mic(key, session.join_nonce))

    def _candidates(self, dev_addr: str) -> list[tuple[str, Device, Session]]:
        """Every (key in the session store, device, session) that an address may mean."""
        found = []
        for dev_eui, session in self._sessions.at_address(dev_addr):
            device = self._directory.by_dev_eui(dev_eui)
            if device is not None and device.activation is Activation.OTAA:
                found.append((dev_eui, device, session))
        for device in self._directory.by_dev_addr(dev_addr):
            if device.nwk_skey and device.app_skey:
                key = device.dev_eui or device.device
                new = Session(int(dev_addr, 16), bytes.fromhex(device.nwk_skey), bytes.fromhex(device.app_skey))
                kept = self._sessions.get(key, 0)
                same = kept and (kept.dev_addr, kept.nwk_skey) == (new.dev_addr, new.nwk_skey)
                found.append((key, device, kept if kept and same else new))  # new keys start new counters
        return found

    def _uplink(
        self, key: str, device: Device, opened: server.Uplink, frame: frames.DataFrame, reception: Reception
    ) -> Handled:
        session: Session = opened.session
        now_s = reception.received_ms // 1000
        control = self._sessions.control(key, session.join_nonce) or Control()
        urgent = control.heard(opened.mac, opened.fcnt, _data_rate(reception), reception.snr_db, now_s)
        self._tell.heard(device.device, reception.received_ms)
        item = self._waiting(device.device, opened.ack, reception.received_ms)
        downlink, session = answers.reply(
            self._plan, session, control, opened, reception, device.device, item, urgent, now_s
        )
        if downlink and downlink.item:
            self._downlinks.offered(downlink.item, session.fcnt_down - 1)
        self._sessions.save(key, session, control, frame.mic)
        notes = _power(opened.mac, reception)
        if opened.fport in (None, 0) or not opened.payload:
            return Handled(Outcome.EMPTY, device.device, "frame %d" % opened.fcnt, NOTHING, downlink, notes)
        payload = Payload(
            device.device, device.codec, opened.payload, opened.fport, session.join_nonce, opened.fcnt,
            reception.received_ms, _link(reception, session, opened.fcnt, opened.fport),
        )  # fmt: skip
        read = decode(payload)
        outcome = Outcome.UNDECODED if read.undecoded else Outcome.STATUS if read.notes else Outcome.READINGS
        return Handled(outcome, device.device, "frame %d" % opened.fcnt, read, downlink, notes + read.notes)

    def _again(
        self, key: str, device: Device, session: Session, opened: server.Retransmission, frame: frames.DataFrame,
        reception: Reception,
    ) -> Handled:  # fmt: skip
        """The device did not hear the acknowledgement, or repeats on principle: answer as before, decode nothing."""
        handled = Handled(Outcome.RETRANSMISSION, device.device, "frame %d" % opened.fcnt)
        if not opened.confirmed:
            return handled
        control = self._sessions.control(key, session.join_nonce) or Control()
        downlink, session = answers.acknowledge(session, control, reception, device.device)
        self._sessions.save(key, session, control, frame.mic)
        return replace(handled, downlink=downlink if downlink.windows else None)

    def _waiting(self, device: str, acked: bool, now_ms: int) -> Item | None:
        """The downlink whose turn it is, once the one that the device has just confirmed is out of the way."""
        item = self._downlinks.head(device, now_ms)
        if item is not None and acked and item.confirmed and item.fcnt is not None:
            self._downlinks.confirmed(item)
            item = self._downlinks.head(device, now_ms)
        return item


def _data_rate(reception: Reception) -> int | None:
    dr: int | None = eu868.data_rate(reception.best.sf, reception.best.bw_hz)
    return dr


def _address(dev_eui: str, join_nonce: int) -> int:
    """A DevAddr for a join: 25 bits that look random. Two devices may share one, the MIC tells them apart."""
    digest = hashlib.sha256(b"%s %d" % (dev_eui.encode(), join_nonce)).digest()
    return int.from_bytes(digest[:4], "big") & 0x01FFFFFF


def _join_key(app_key: str, request: frames.JoinRequest) -> str:
    """Under what a DevNonce is used; a digest, so that the table of nonces holds no key."""
    return hashlib.sha256(b"%016x %s" % (request.join_eui, app_key.encode())).hexdigest()


def _old_count(opened: object, session: Session, frame: frames.DataFrame) -> int | None:
    """The counter of a genuine frame that is not newer than the last one, None of any other."""
    if isinstance(opened, server.Replay | server.Retransmission):
        return int(opened.fcnt)
    nwk, body = aes(session.nwk_skey), frame.phy[:-4]
    # one that began anew long ago: `open_uplink` looks back 65,536 frames
    if session.fcnt_up > 0xFFFF and data_mic(nwk, UP, session.dev_addr, frame.fcnt16, body) == frame.mic:
        return int(frame.fcnt16)
    return None


def _replay(device: Device, session: Session, frame: frames.DataFrame, fcnt: int, reception: Reception) -> Handled:
    reason = "frame %d came after frame %d: late, replayed, or the device has begun to count anew and needs new keys"
    reason %= fcnt, session.fcnt_up - 1
    notes = (_trouble(reception, "F_CNT", reason),)
    if not frame.fport or not frame.frm_payload:
        return Handled(Outcome.REPLAY, device.device, reason, notes=notes)
    payload = crypt_payload(aes(session.app_skey), UP, session.dev_addr, fcnt, frame.frm_payload)
    link = _link(reception, session, fcnt, frame.fport)
    generation = session.join_nonce
    kept = Undecoded(
        device.device, reception.received_ms, reason, payload, frame.fport, link, None, device.codec, generation
    )
    return Handled(Outcome.REPLAY, device.device, reason, Read(undecoded=kept), notes=notes)


def _trouble(reception: Reception, code: str, text: str) -> Note:
    return Note(via="lorawan", time_ms=reception.received_ms, trouble=Trouble(code, text))


def _power(commands: list[mac.Command], reception: Reception) -> tuple[Note, ...]:
    """What a device says of its battery: 0 external power, 1 to 254 from empty to full, 255 it cannot tell."""
    told = [command.fields for command in commands if command.name == "DevStatusAns"]
    if not told:
        return ()
    level, margin = told[-1]["battery"], told[-1]["margin"]
    percent = round((level - 1) / 253 * 100, 1) if 1 <= level <= 254 else None
    power = Power(percent, level == 0 if level != 255 else None, float(margin))
    return (Note(via="lorawan", time_ms=reception.received_ms, power=power),)


def _link(reception: Reception, session: Session, fcnt: int, fport: int) -> Link:
    rx = reception.best
    return Link(
        via="lorawan",
        gateway=rx.gateway,
        gateways=reception.gateways,
        rssi_dbm=rx.rssi_dbm,
        snr_db=rx.snr_db,
        sf=rx.sf,
        frequency_hz=rx.freq_hz,
        fcnt=fcnt,
        fport=fport,
        dev_addr=frames.addr_text(session.dev_addr),
    )
