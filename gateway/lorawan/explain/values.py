"""A frame as the JSON that scripts rely on, with notes for people and a hint where a MIC is wrong.

The rule: the keys that stand in the interface are always there; a value that needs a missing key is None.
`notes` are sentences without capital and full stop; `hint` is None unless a MIC is wrong or a key is misnamed.
"""

from typing import Any

from edge.lorawan import eu868, frames, mac
from edge.lorawan.frames import DataFrame, EncryptedJoinAccept, JoinAccept, JoinRequest, addr_text, eui_text
from gateway.lorawan.explain.opened import Keys, Opened, full_count, open_frame
from gateway.lorawan.explain.why import why

_ACCEPT = (
    "join_nonce", "net_id", "dev_addr", "rx1_dr_offset", "rx2_data_rate", "rx_delay", "cf_list", "cf_list_hex",
    "mic_hex", "decrypted_hex",
)  # fmt: skip


def explain(
    phy: bytes,
    nwk_skey: bytes | None = None,
    app_skey: bytes | None = None,
    app_key: bytes | None = None,
    fcnt_high: int = 0,
) -> dict[str, Any]:
    """The frame as JSON-able values. Keys are 16 bytes, `fcnt_high` is the counter's upper half. Raises FrameError."""
    keys = Keys(nwk_skey, app_skey, app_key, fcnt_high)
    opened = open_frame(phy, keys)
    if isinstance(opened.frame, JoinRequest):
        values = _join_request(opened.frame)
    elif isinstance(opened.frame, JoinAccept | EncryptedJoinAccept):
        values = _join_accept(opened)
    else:
        values = _data(opened, keys)
    reason, hint = why(phy, opened, keys)
    return {**values, "mic_ok": opened.mic_ok, "notes": _notes(opened) + reason, "hint": hint}


def headline(values: dict[str, Any]) -> str:
    """The frame in one line, from `explain`."""
    kind = values["type"]
    if kind == "JoinRequest":
        return f"JoinRequest of device {values['dev_eui']}, DevNonce {values['dev_nonce']}"
    if kind == "JoinAccept":
        opened = {None: "encrypted", False: "not to be opened with this key"}
        return f"JoinAccept, {opened.get(values['mic_ok'], 'gives the address %s' % values['dev_addr'])}"
    way = "from" if kind.endswith("Up") else "to"
    size = len(values["encrypted_hex"]) // 2
    port = "" if values["fport"] is None else f", port {values['fport']}"
    return f"{kind} {way} {values['dev_addr']}, frame {values['fcnt']}{port}, {size} bytes of payload"


def _join_request(frame: JoinRequest) -> dict[str, Any]:
    return {
        "type": "JoinRequest",
        "join_eui": eui_text(frame.join_eui),
        "dev_eui": eui_text(frame.dev_eui),
        "dev_nonce": frame.dev_nonce,
        "mic_hex": frame.mic.hex(),
    }


def _join_accept(opened: Opened) -> dict[str, Any]:
    accept = opened.frame
    if isinstance(accept, EncryptedJoinAccept):
        return {"type": "JoinAccept", **dict.fromkeys(_ACCEPT)}
    return {
        "type": "JoinAccept",
        "join_nonce": accept.join_nonce,
        "net_id": f"{accept.net_id:06x}",
        "dev_addr": addr_text(accept.dev_addr),
        "rx1_dr_offset": accept.rx1_dr_offset,
        "rx2_data_rate": accept.rx2_data_rate,
        "rx_delay": accept.rx_delay,
        "cf_list": list(eu868.parse_cf_list(accept.cf_list)),
        "cf_list_hex": accept.cf_list.hex(),
        "mic_hex": accept.mic.hex(),
        "decrypted_hex": accept.phy.hex(),
    }


def _data(opened: Opened, keys: Keys) -> dict[str, Any]:
    frame, plain = opened.frame, opened.plain
    own = {"f_pending": frame.f_pending}
    if frames.is_uplink(frame.mtype):
        own = {"adr_ack_req": frame.adr_ack_req, "class_b": frame.class_b}
    return {
        "type": frames.TYPE_NAMES[frame.mtype],
        "dev_addr": addr_text(frame.dev_addr),
        "fcnt": full_count(frame, keys),
        "adr": frame.adr,
        "ack": frame.ack,
        **own,
        "fport": frame.fport,
        "fopts_hex": frame.fopts.hex(),
        "mac_commands": [{"name": c.name, **c.fields} for c in opened.commands],
        "payload_hex": None if plain is None else plain.hex(),
        "encrypted_hex": frame.frm_payload.hex(),
        "mic_hex": frame.mic.hex(),
    }


def _notes(opened: Opened) -> list[str]:
    """What is missing, and what is odd although the MIC may be right."""
    frame = opened.frame
    if isinstance(frame, EncryptedJoinAccept):
        return ["a JoinAccept opens with the AppKey only"]
    if not isinstance(frame, DataFrame):
        return ["the AppKey would check the MIC"] if opened.mic_ok is None else []
    notes = []
    if frames.conflict(frame):
        notes.append(f"a receiver drops this frame: {frames.conflict(frame)}")
    if opened.mic_ok is None:
        notes.append("the NwkSKey would check the MIC")
    if opened.plain is None:
        notes.append(f"the {'NwkSKey' if frame.fport == 0 else 'AppSKey'} would decrypt the payload")
    elif frame.frm_payload and opened.mic_ok is False:
        notes.append("the payload is decrypted as told, but with a wrong MIC it means nothing")
    if frame.fopts and any(command.name in (mac.UNKNOWN, mac.INCOMPLETE) for command in opened.commands):
        notes.append("not all MAC commands are of LoRaWAN 1.0: in FOpts of 1.1 they are encrypted")
    return notes
