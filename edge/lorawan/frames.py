"""PHYPayloads: bytes to values and back. No keys in here: MICs and ciphertext pass through as bytes.

The rule: what `parse` returns is well-formed, whatever is not raises FrameError with a reason a person can read.
EUIs, addresses and nonces are ints inside and are written most significant byte first by the helpers at the end;
on the air they go least significant byte first. RFU bits are ignored on reception, as the specification asks.
Specification: LoRaWAN 1.0.4, sections 4 (messages) and 6.2 (join).
"""

import struct
from collections import namedtuple

(
    JOIN_REQUEST, JOIN_ACCEPT, UNCONFIRMED_UP, UNCONFIRMED_DOWN, CONFIRMED_UP, CONFIRMED_DOWN, REJOIN, PROPRIETARY
) = range(8)  # fmt: skip
TYPE_NAMES = (
    "JoinRequest", "JoinAccept", "UnconfirmedDataUp", "UnconfirmedDataDown", "ConfirmedDataUp", "ConfirmedDataDown",
    "RejoinRequest", "Proprietary",
)  # fmt: skip

MIC_LENGTH = 4
PHY_MAX = 255  # a LoRa packet's length is one byte: no more is built
BODY_MAX = 255  # the MIC counts what it covers in one byte: no more is read
FOPTS_MAX = 15
DATA_MIN = 12  # MHDR 1, FHDR 7, MIC 4
JOIN_REQUEST_LENGTH = 23
JOIN_ACCEPT_LENGTHS = (17, 33)  # without and with CFList

_ADR, _ADR_ACK_REQ, _ACK, _BIT4 = 0x80, 0x40, 0x20, 0x10


class FrameError(ValueError):
    """The bytes are not a frame, or the values do not make one; the message says why."""


# `phy` is the whole frame as received; its last four bytes are `mic`.
JoinRequest = namedtuple("JoinRequest", ("join_eui", "dev_eui", "dev_nonce", "mic", "phy"))
EncryptedJoinAccept = namedtuple("EncryptedJoinAccept", ("phy",))
# `phy` decrypted; cf_list is b"" or 16 bytes; rx_delay as sent (0 means 1 s)
JoinAccept = namedtuple(
    "JoinAccept",
    ("join_nonce", "net_id", "dev_addr", "rx1_dr_offset", "rx2_data_rate", "rx_delay", "cf_list", "mic", "phy"),
)
DataFrame = namedtuple(
    "DataFrame",
    (
        "mtype",  # UNCONFIRMED_UP … CONFIRMED_DOWN
        "dev_addr",
        "adr",
        "adr_ack_req",  # uplinks only
        "ack",
        "f_pending",  # downlinks only
        "class_b",  # uplinks only
        "fcnt16",  # the 16 bits on the air
        "fopts",  # bytes, 0 to 15
        "fport",  # None where there is none
        "frm_payload",  # as on the air, encrypted
        "mic",
        "phy",
    ),
)


def parse(phy):
    """`JoinRequest | EncryptedJoinAccept | DataFrame` of a PHYPayload (bytes). Raises FrameError."""
    n = len(phy)
    if not n:
        raise FrameError("the frame is empty")
    mtype = phy[0] >> 5
    if phy[0] & 3:
        raise FrameError("major version %d is not LoRaWAN R1" % (phy[0] & 3))
    if UNCONFIRMED_UP <= mtype <= CONFIRMED_DOWN:
        return _parse_data(phy, mtype, n)
    if mtype == JOIN_REQUEST:
        if n != JOIN_REQUEST_LENGTH:
            raise FrameError("a JoinRequest has 23 bytes, this one has %d" % n)
        join_eui, dev_eui = _int(phy[1:9]), _int(phy[9:17])
        return JoinRequest(join_eui, dev_eui, phy[17] | phy[18] << 8, phy[19:], phy)
    if mtype == JOIN_ACCEPT:
        _check_join_accept(phy)
        return EncryptedJoinAccept(phy)
    raise FrameError("%s frames are not handled" % TYPE_NAMES[mtype])


def _parse_data(phy, mtype, n):
    if n < DATA_MIN:
        raise FrameError("too short: a data frame has at least 12 bytes, this one has %d" % n)
    if n > BODY_MAX + MIC_LENGTH:
        raise FrameError("too long: a MIC covers at most 255 bytes, this frame has %d before it" % (n - MIC_LENGTH))
    _, dev_addr, fctrl, fcnt16 = struct.unpack_from("<BIBH", phy)
    at = 8 + (fctrl & 15)
    end = n - MIC_LENGTH
    if at > end:
        raise FrameError("too short: FCtrl announces %d bytes of FOpts, %d are there" % (fctrl & 15, end - 8))
    up = not mtype & 1
    bit4 = fctrl & _BIT4 != 0
    return DataFrame(
        mtype,
        dev_addr,
        fctrl & _ADR != 0,
        up and fctrl & _ADR_ACK_REQ != 0,
        fctrl & _ACK != 0,
        bit4 and not up,
        bit4 and up,
        fcnt16,
        phy[8:at],
        phy[at] if at < end else None,
        phy[at + 1 : end],
        phy[end:],
        phy,
    )


def conflict(frame):
    """Why a DataFrame must be dropped although it parses, "" where nothing is wrong (section 4.3.1.6)."""
    if frame.fport == 0 and frame.fopts:
        return "MAC commands both in FOpts and on port 0"
    return ""


def is_uplink(mtype):
    """Whether a data frame's type goes up."""
    return not mtype & 1


def build_data(
    mtype, dev_addr, fcnt, fopts=b"", fport=None, frm_payload=b"",
    adr=False, adr_ack_req=False, ack=False, f_pending=False, class_b=False,
):  # fmt: skip
    """A data frame without its MIC; `frm_payload` is encrypted already, `fcnt` may have 32 bits. Raises FrameError."""
    if not UNCONFIRMED_UP <= mtype <= CONFIRMED_DOWN:
        raise FrameError("type %r is not a data frame's" % mtype)
    if len(fopts) > FOPTS_MAX:
        raise FrameError("FOpts hold at most 15 bytes, not %d" % len(fopts))
    if fport is None:
        if frm_payload:
            raise FrameError("a payload needs a port")
    elif not 0 <= fport <= 255:
        raise FrameError("port %r is not 0 to 255" % fport)
    elif fport == 0 and fopts:
        raise FrameError("MAC commands go into FOpts or on port 0, not both")
    if (f_pending and is_uplink(mtype)) or ((adr_ack_req or class_b) and not is_uplink(mtype)):
        raise FrameError("FPending is for downlinks, ADRACKReq and ClassB for uplinks")
    fctrl = len(fopts)
    fctrl |= (_ADR if adr else 0) | (_ADR_ACK_REQ if adr_ack_req else 0) | (_ACK if ack else 0)
    fctrl |= _BIT4 if f_pending or class_b else 0
    body = struct.pack("<BIBH", mtype << 5, dev_addr, fctrl, fcnt & 0xFFFF) + fopts
    if fport is not None:
        body += bytes((fport,)) + frm_payload
    if len(body) + MIC_LENGTH > PHY_MAX:
        raise FrameError("the frame would have %d bytes, more than 255" % (len(body) + MIC_LENGTH))
    return body


def build_join_request(join_eui, dev_eui, dev_nonce):
    """A JoinRequest without its MIC."""
    return b"\x00" + join_eui.to_bytes(8, "little") + dev_eui.to_bytes(8, "little") + dev_nonce.to_bytes(2, "little")


def build_join_accept(join_nonce, net_id, dev_addr, rx1_dr_offset=0, rx2_data_rate=0, rx_delay=1, cf_list=b""):
    """A JoinAccept, plain and without its MIC. Raises FrameError."""
    if not (0 <= join_nonce < 1 << 24 and 0 <= net_id < 1 << 24):
        raise FrameError("JoinNonce and NetID have 24 bits")
    if not (0 <= rx1_dr_offset <= 7 and 0 <= rx2_data_rate <= 15 and 0 <= rx_delay <= 15):
        raise FrameError("RX1DROffset is 0 to 7, RX2DataRate and RxDelay are 0 to 15")
    if len(cf_list) not in (0, 16):
        raise FrameError("a CFList has 16 bytes, not %d" % len(cf_list))
    head = b"\x20" + join_nonce.to_bytes(3, "little") + net_id.to_bytes(3, "little") + dev_addr.to_bytes(4, "little")
    return head + bytes((rx1_dr_offset << 4 | rx2_data_rate, rx_delay)) + cf_list


def parse_join_accept(phy):
    """The JoinAccept in a PHYPayload that is decrypted already. Raises FrameError."""
    _check_join_accept(phy)
    nonce, net_id, addr = _int(phy[1:4]), _int(phy[4:7]), _int(phy[7:11])
    return JoinAccept(nonce, net_id, addr, phy[11] >> 4 & 7, phy[11] & 15, phy[12] & 15, phy[13:-4], phy[-4:], phy)


def _check_join_accept(phy):
    if len(phy) not in JOIN_ACCEPT_LENGTHS:
        raise FrameError("a JoinAccept has 17 or 33 bytes, this one has %d" % len(phy))


def _int(little_endian):
    return int.from_bytes(little_endian, "little")


def eui_text(eui):
    """An EUI as people write it: 16 hex digits, most significant byte first."""
    return "%016x" % eui


def addr_text(dev_addr):
    """A DevAddr as people write it: 8 hex digits, most significant byte first."""
    return "%08x" % dev_addr


def number(text):
    """The int behind an EUI or DevAddr as people write it (hex). Raises ValueError."""
    return int(text, 16)
