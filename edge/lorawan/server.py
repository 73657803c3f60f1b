"""The network role: answer a join, open an uplink, make a downlink. Pure: session in, result and next session out.

The rule: a frame is believed only behind its MIC, and what is wrong with it is a value. Which sessions an address
may mean, nonces, storage and time belong to the caller: store the new session before anything acts on the result.
`aes` is the factory of `edge.crypto`; keep its objects per key, this is the hot path.
Specification: LoRaWAN 1.0.4, sections 4 and 6.2.
"""

from collections import namedtuple

from edge.lorawan import frames, mac
from edge.lorawan.counters import FCNT_MAX, RETRANSMISSION, classify, earlier, reconstruct
from edge.lorawan.frames import CONFIRMED_DOWN, CONFIRMED_UP, UNCONFIRMED_DOWN, DataFrame, FrameError, JoinRequest
from edge.lorawan.security import (
    DOWN,
    UP,
    crypt_payload,
    data_mic,
    encrypt_join_accept,
    join_mic,
    session_keys,
)
from edge.lorawan.session import Session

# A join: `JoinAnswer`, `BadMic` or `Refused`.
JoinAnswer = namedtuple("JoinAnswer", ("phy", "session", "rx1_dr_offset", "rx2_data_rate", "rx_delay", "cf_list"))

# An uplink: one of these. `session` is the one to keep from now on; `mac` a list of edge.lorawan.mac.Command.
Uplink = namedtuple("Uplink", ("session", "fcnt", "fport", "payload", "mac", "confirmed", "ack", "adr", "adr_ack_req"))
Retransmission = namedtuple("Retransmission", ("fcnt", "confirmed"))  # the last one again: acknowledge again, no more
Replay = namedtuple("Replay", ("fcnt",))  # genuine, but older than the last one
BadMic = namedtuple("BadMic", ())  # of another session or network, or forged
Refused = namedtuple("Refused", ("reason",))


def accept_join(
    aes, request, app_key, join_nonce, net_id, dev_addr, last_dev_nonce=None, used_dev_nonces=(),
    rx1_dr_offset=0, rx2_data_rate=0, rx_delay=1, cf_list=b"",
):  # fmt: skip
    """`JoinAnswer(phy, session) | BadMic | Refused(reason)` to what `frames.parse` gave.

    A 1.0.4 device counts its DevNonce up: give the last one. Older ones draw it: give those used, too or instead.
    `join_nonce` counts up per device. Raises FrameError for values that fit no JoinAccept.
    """
    if not isinstance(request, JoinRequest):
        return Refused("not a JoinRequest")
    app = aes(app_key)
    if join_mic(app, request.phy[:-4]) != request.mic:
        return BadMic()
    if last_dev_nonce is not None and request.dev_nonce <= last_dev_nonce:
        return Refused("DevNonce %d is not above the last one, %d" % (request.dev_nonce, last_dev_nonce))
    if request.dev_nonce in used_dev_nonces:
        return Refused("DevNonce %d was used before" % request.dev_nonce)
    body = frames.build_join_accept(join_nonce, net_id, dev_addr, rx1_dr_offset, rx2_data_rate, rx_delay, cf_list)
    phy = encrypt_join_accept(app, body + join_mic(app, body))
    nwk_skey, app_skey = session_keys(app, join_nonce, net_id, request.dev_nonce)
    session = Session(
        dev_addr, nwk_skey, app_skey, 0, 0, join_nonce, request.dev_nonce, rx1_dr_offset, rx2_data_rate, rx_delay or 1
    )
    return JoinAnswer(phy, session, rx1_dr_offset, rx2_data_rate, rx_delay or 1, cf_list)


def open_uplink(aes, session, frame):
    """`Uplink | Retransmission | Replay | BadMic | Refused` of what `frames.parse` gave, under one session."""
    if not isinstance(frame, DataFrame) or not frames.is_uplink(frame.mtype):
        return Refused("not an uplink data frame")
    if frame.dev_addr != session.dev_addr:
        return BadMic()
    nwk = aes(session.nwk_skey)
    expected = session.fcnt_up
    body = frame.phy[:-4]
    fcnt = reconstruct(expected, frame.fcnt16)
    if fcnt > FCNT_MAX or data_mic(nwk, UP, frame.dev_addr, fcnt, body) != frame.mic:
        return _replay_or_bad(nwk, expected, frame, body)
    if classify(expected, fcnt) == RETRANSMISSION:
        return Retransmission(fcnt, frame.mtype == CONFIRMED_UP)
    if frame.fport == 0 and frame.fopts:
        return Refused(frames.conflict(frame))
    key = nwk if frame.fport == 0 else aes(session.app_skey)
    payload = crypt_payload(key, UP, frame.dev_addr, fcnt, frame.frm_payload)
    commands = payload if frame.fport == 0 else frame.fopts
    return Uplink(
        session.advanced(fcnt_up=fcnt + 1),
        fcnt,
        frame.fport,
        payload,
        mac.parse(commands, UP) if commands else [],
        frame.mtype == CONFIRMED_UP,
        frame.ack,
        frame.adr,
        frame.adr_ack_req,
    )


def _replay_or_bad(nwk, expected, frame, body):
    fcnt = earlier(expected, frame.fcnt16)
    if fcnt >= 0 and data_mic(nwk, UP, frame.dev_addr, fcnt, body) == frame.mic:
        return Replay(fcnt)
    return BadMic()


def downlink(aes, session, payload=b"", fport=None, ack=False, confirmed=False, fopts=b"", adr=False, f_pending=False):
    """`(phy, next session)`: one downlink; MAC commands as `fopts`, or as `payload` on port 0. Raises FrameError."""
    fcnt = session.fcnt_down
    if fcnt > FCNT_MAX:
        raise FrameError("the session's downlink counter has run out, the device has to join again")
    nwk = aes(session.nwk_skey)
    encrypted = crypt_payload(nwk if fport == 0 else aes(session.app_skey), DOWN, session.dev_addr, fcnt, payload)
    body = frames.build_data(
        CONFIRMED_DOWN if confirmed else UNCONFIRMED_DOWN, session.dev_addr, fcnt, fopts, fport, encrypted,
        adr=adr, ack=ack, f_pending=f_pending,
    )  # fmt: skip
    return body + data_mic(nwk, DOWN, session.dev_addr, fcnt, body), session.advanced(fcnt_down=fcnt + 1)
