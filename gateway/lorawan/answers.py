"""What the built-in network says to a device after an uplink: acknowledgement, MAC commands, a waiting downlink. Pure.

The rule: one frame says everything that is due, and nothing is said without a cause. FOpts come before the
application's bytes only where both fit into a window; a waiting downlink goes before requests that can wait.
Specification: LoRaWAN 1.0.4, sections 4.3, 5; DeviceTimeAns 5.10 (GPS time of the end of the uplink).
"""

from dataclasses import dataclass

from edge.lorawan import adr, frames, mac, server
from edge.lorawan.control import Control, Plan
from edge.lorawan.session import Session
from gateway.lorawan import windows
from gateway.lorawan.aes import aes
from gateway.lorawan.dedup import Reception
from gateway.lorawan.downlinks import Item
from gateway.lorawan.windows import Window

GPS_EPOCH_S = 315964800
LEAP_SECONDS = 18  # GPS is ahead of UTC by these since 2017 (IERS Bulletin C)
BELIEVED_MS = 5000  # a gateway whose time is further from ours is not believed
SF_OF_DR0 = 12


@dataclass(frozen=True, slots=True)
class Downlink:
    """A frame for a device, and where it may go, the best window first. `item`: the application's, if there is one;
    `awaited`: somebody misses it if it does not go out; what else there is to say is said another time.
    """

    device: str
    phy: bytes
    windows: tuple[Window, ...]
    item: Item | None = None
    awaited: bool = True


def reply(
    plan: Plan, session: Session, control: Control, opened: server.Uplink, reception: Reception, device: str,
    item: Item | None, urgent: bool, now_s: int,
) -> tuple[Downlink | None, Session]:  # fmt: skip
    """What goes down after a genuine uplink, None where nothing is due or no gateway could send it; the next session.

    `control` remembers the requests that are in it; `urgent`: the device waits for any answer.
    """
    ways = windows.after_uplink(reception, control.link)
    if not ways:
        return None, session
    fopts = to_commands(opened.mac, reception)
    roomiest = max(window.payload_max for window in ways)
    if item is not None and len(item.payload) + len(fopts) > roomiest:
        item = None  # until the device uses a faster data rate
    asked = bool(opened.confirmed or opened.adr_ack_req or urgent or fopts or item)
    payload = item.payload if item else b""
    room = min(frames.FOPTS_MAX - len(fopts), roomiest - len(fopts) - len(payload))
    fopts += control.requests(plan, opened.fcnt, opened.adr, now_s, room)
    if not (asked or fopts):
        return None, session
    phy, session = server.downlink(
        aes, session, payload, item.fport if item else None, ack=opened.confirmed,
        confirmed=item.confirmed if item else False, fopts=fopts, adr=True, f_pending=item.more if item else False,
    )  # fmt: skip
    fitting = tuple(window for window in ways if len(payload) + len(fopts) <= window.payload_max)
    return Downlink(device, phy, fitting, item, opened.confirmed), session


def acknowledge(session: Session, control: Control, reception: Reception, device: str) -> tuple[Downlink, Session]:
    """Only the acknowledgement, for a confirmed uplink that came again."""
    phy, session = server.downlink(aes, session, ack=True, adr=True)
    return Downlink(device, phy, windows.after_uplink(reception, control.link)), session


def to_commands(commands: list[mac.Command], reception: Reception) -> bytes:
    """Answers to the MAC commands that a network has to answer, as FOpts."""
    names = {command.name for command in commands}
    fopts = b""
    if "LinkCheckReq" in names:
        snr, sf = reception.best.snr_db or 0, reception.best.sf or SF_OF_DR0
        required = adr.REQUIRED_SNR_DB[min(SF_OF_DR0 - sf, len(adr.REQUIRED_SNR_DB) - 1)]
        margin = max(0, min(254, round(snr - required)))
        fopts += mac.build("LinkCheckAns", margin=margin, gateway_count=min(255, len(reception.gateways)))
    if "DeviceTimeReq" in names:
        gps_ms = heard_ms(reception) - GPS_EPOCH_S * 1000 + LEAP_SECONDS * 1000
        seconds, rest_ms = divmod(gps_ms, 1000)
        fopts += mac.build("DeviceTimeAns", gps_seconds=seconds % 2**32, fraction_256ths=rest_ms * 256 // 1000)
    return fopts


def heard_ms(reception: Reception) -> int:
    """When the uplink was over, in UTC milliseconds: by the gateways' GPS where ours confirms it, else by our clock."""
    times = sorted(round(one.rx.time.timestamp() * 1000) for one in reception.heard if one.rx.time is not None)
    believed = [time_ms for time_ms in times if abs(time_ms - reception.received_ms) <= BELIEVED_MS]
    return believed[len(believed) // 2] if believed else reception.received_ms
