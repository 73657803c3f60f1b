"""The built-in LoRaWAN network role: one reception in, one value out that says what to publish, keep and answer.

No socket, no clock, no random numbers: sessions, directory and times are handed in. What is refused is a value with a
reason, so that it can be counted. Sessions are written before the result is returned; whoever calls commits
them before acting on it. Downlinks go out in the first receive window, on the uplink's frequency and data rate.

Specification: LoRaWAN 1.0.4; RP002-1.0.4 EU863-870. The frames themselves are `edge.lorawan`.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.lorawan import eu868, frames, mac, server
from edge.lorawan.session import Session
from gateway.aes import aes
from gateway.decode import NOTHING, Payload, Read, decode
from gateway.dedup import Reception
from gateway.ports import DeviceDirectory, SessionStore
from gateway.semtech_json import Tx
from schemas.models import Activation, Device, Link

GPS_EPOCH_S = 315964800
LEAP_SECONDS = 18  # GPS is ahead of UTC by these since 2017
REQUIRED_SNR_DB = {5: -2.5, 6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
EXTRA_CHANNELS_HZ = (867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000)


class Outcome(StrEnum):
    """What a frame was."""

    READINGS = "readings"
    UNDECODED = "undecoded"
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
class Downlink:
    """A frame for a gateway to send."""

    gateway: str
    tx: Tx


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a reception. `detail`: for people."""

    outcome: Outcome
    device: str | None = None
    detail: str = ""
    read: Read = NOTHING
    downlink: Downlink | None = None


class Network:
    """Steps from a reception to a value. `net_id` 0 and 1 are for private networks."""

    def __init__(self, directory: DeviceDirectory, sessions: SessionStore, net_id: int = 0) -> None:
        self._directory = directory
        self._sessions = sessions
        self._net_id = net_id

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
        used = (request.dev_nonce,) if self._sessions.is_used(dev_eui, request.dev_nonce) else ()
        answer = server.accept_join(
            aes, request, bytes.fromhex(device.app_key), join_nonce, self._net_id, _address(dev_eui, join_nonce),
            used_dev_nonces=used, cf_list=eu868.build_cf_list(EXTRA_CHANNELS_HZ),
        )  # fmt: skip
        if isinstance(answer, server.BadMic):
            return Handled(Outcome.BAD_MIC, device.device, "JoinRequest with another AppKey")
        if isinstance(answer, server.Refused):
            return Handled(Outcome.JOIN_REFUSED, device.device, answer.reason)
        self._sessions.add(dev_eui, answer.session)
        downlink = _first_window(reception, answer.phy, eu868.JOIN_RX1_DELAY_S)
        return Handled(Outcome.JOIN, device.device, "session %d" % join_nonce, downlink=downlink)

    def _data(self, frame: frames.DataFrame, reception: Reception) -> Handled:
        refused = Handled(Outcome.NOT_FOR_US, detail="DevAddr " + frames.addr_text(frame.dev_addr))
        for key, device, session in self._candidates(frames.addr_text(frame.dev_addr)):
            opened = server.open_uplink(aes, session, frame)
            if isinstance(opened, server.Uplink):
                return self._uplink(key, device, opened, reception)
            if isinstance(opened, server.Retransmission):
                return self._again(key, device, session, opened, reception)
            if isinstance(opened, server.Replay):
                refused = Handled(Outcome.REPLAY, device.device, "frame %d" % opened.fcnt)
            elif isinstance(opened, server.Refused):
                refused = Handled(Outcome.MALFORMED, device.device, opened.reason)
            elif refused.outcome is Outcome.NOT_FOR_US:
                refused = Handled(Outcome.BAD_MIC, device.device, "DevAddr " + frames.addr_text(frame.dev_addr))
        return refused

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

    def _uplink(self, key: str, device: Device, opened: server.Uplink, reception: Reception) -> Handled:
        session: Session = opened.session
        fopts = _answers(opened.mac, reception)
        downlink = None
        if opened.confirmed or opened.adr_ack_req or fopts:
            downlink, session = _answer(session, reception, opened.confirmed, fopts)
        self._sessions.save(key, session)
        if opened.fport in (None, 0) or not opened.payload:
            return Handled(Outcome.EMPTY, device.device, "frame %d" % opened.fcnt, downlink=downlink)
        payload = Payload(
            device.device, device.codec, opened.payload, opened.fport, session.join_nonce, opened.fcnt,
            reception.received_ms, _link(reception, opened, session),
        )  # fmt: skip
        read = decode(payload)
        outcome = Outcome.UNDECODED if read.undecoded else Outcome.READINGS
        return Handled(outcome, device.device, "frame %d" % opened.fcnt, read, downlink)

    def _again(
        self, key: str, device: Device, session: Session, opened: server.Retransmission, reception: Reception
    ) -> Handled:
        """The device did not hear the acknowledgement, or repeats on principle: answer as before, decode nothing."""
        handled = Handled(Outcome.RETRANSMISSION, device.device, "frame %d" % opened.fcnt)
        if not opened.confirmed:
            return handled
        downlink, session = _answer(session, reception, True, b"")
        self._sessions.save(key, session)
        return replace(handled, downlink=downlink)


def _address(dev_eui: str, join_nonce: int) -> int:
    """A DevAddr for a join: 25 bits that look random. Two devices may share one, the MIC tells them apart."""
    digest = hashlib.sha256(b"%s %d" % (dev_eui.encode(), join_nonce)).digest()
    return int.from_bytes(digest[:4], "big") & 0x01FFFFFF


def _answer(session: Session, reception: Reception, ack: bool, fopts: bytes) -> tuple[Downlink | None, Session]:
    phy, session = server.downlink(aes, session, ack=ack, fopts=fopts)
    return _first_window(reception, phy, session.rx_delay), session


def _first_window(reception: Reception, phy: bytes, delay_s: int) -> Downlink | None:
    """A downlink in RX1; None where the gateway did not say enough of the uplink to answer it."""
    rx = reception.best
    if rx.tmst is None or rx.freq_hz is None or rx.sf is None or rx.bw_hz is None:
        return None
    tmst = (rx.tmst + delay_s * 1_000_000) % 2**32
    return Downlink(rx.gateway, Tx(phy, rx.freq_hz, rx.sf, rx.bw_hz, tmst))


def _answers(commands: list[mac.Command], reception: Reception) -> bytes:
    """Answers to the MAC commands that a network has to answer, as FOpts."""
    names = {command.name for command in commands}
    fopts = b""
    if "LinkCheckReq" in names:
        snr, sf = reception.best.snr_db or 0, reception.best.sf or 12
        margin = max(0, min(254, round(snr - REQUIRED_SNR_DB[sf])))
        fopts += mac.build("LinkCheckAns", margin=margin, gateway_count=min(255, len(reception.gateways)))
    if "DeviceTimeReq" in names:
        gps_ms = reception.received_ms - GPS_EPOCH_S * 1000 + LEAP_SECONDS * 1000
        seconds, rest_ms = divmod(gps_ms, 1000)
        fopts += mac.build("DeviceTimeAns", gps_seconds=seconds % 2**32, fraction_256ths=rest_ms * 256 // 1000)
    return fopts


def _link(reception: Reception, opened: server.Uplink, session: Session) -> Link:
    rx = reception.best
    return Link(
        via="lorawan",
        gateway=rx.gateway,
        gateways=reception.gateways,
        rssi_dbm=rx.rssi_dbm,
        snr_db=rx.snr_db,
        sf=rx.sf,
        frequency_hz=rx.freq_hz,
        fcnt=opened.fcnt,
        fport=opened.fport,
        dev_addr=frames.addr_text(session.dev_addr),
    )
