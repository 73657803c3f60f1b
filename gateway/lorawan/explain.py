"""One LoRaWAN frame explained: as values for scripts (`explain`) and byte by byte for people (`annotate`).

The rule: nothing is guessed. Without a key `mic_ok` and what is encrypted are None, and `notes` say what would help.
With a key the payload is decrypted whether or not the MIC fits, since a wrong counter or key is what one looks for;
`mic_ok` tells. Frames are LoRaWAN 1.0.x; one of 1.1 parses and fails its MIC. Specification: LoRaWAN 1.0.4.
"""

from typing import Any

from edge.lorawan import eu868, frames, mac
from edge.lorawan.frames import DataFrame, EncryptedJoinAccept, JoinAccept, JoinRequest, addr_text, eui_text
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, decrypt_join_accept, join_mic
from gateway.lorawan.aes import aes

Row = tuple[int, int, str, str, str]  # offset, length, hex, field, meaning


def explain(
    phy: bytes,
    nwk_skey: bytes | None = None,
    app_skey: bytes | None = None,
    app_key: bytes | None = None,
    fcnt_high: int = 0,
) -> dict[str, Any]:
    """The frame as JSON-able values. Keys are 16 bytes, `fcnt_high` is the counter's upper half. Raises FrameError."""
    frame = frames.parse(phy)
    if isinstance(frame, JoinRequest):
        return _explain_join_request(frame, app_key)
    if isinstance(frame, EncryptedJoinAccept):
        return _explain_join_accept(frame, app_key)
    return _explain_data(frame, nwk_skey, app_skey, fcnt_high)


def annotate(
    phy: bytes,
    nwk_skey: bytes | None = None,
    app_skey: bytes | None = None,
    app_key: bytes | None = None,
    fcnt_high: int = 0,
) -> list[Row]:
    """Rows (offset, length, hex, field, meaning) that cover every byte once, in order. Raises FrameError.

    The hex of a JoinAccept and of MAC commands on port 0 is the decrypted one where the key is there.
    """
    frame = frames.parse(phy)
    rows = [(1, "MHDR", f"{frames.TYPE_NAMES[phy[0] >> 5]}, LoRaWAN R1")]
    if isinstance(frame, JoinRequest):
        rows += _join_request_rows(frame, app_key)
    elif isinstance(frame, EncryptedJoinAccept):
        accept = _open(frame, app_key)
        if accept is None:
            rows.append((len(phy) - 1, "encrypted", "needs the AppKey"))
        else:
            phy = accept.phy
            rows += _join_accept_rows(accept, _join_mic_ok(phy, app_key))
    else:
        plain = _decrypt(frame, nwk_skey, app_skey, fcnt_high)
        if frame.fport == 0 and plain is not None:
            phy = phy[: -4 - len(plain)] + plain + phy[-4:]
        rows += _data_rows(frame, plain, _data_mic_ok(frame, nwk_skey, fcnt_high), fcnt_high)
    placed: list[Row] = []
    at = 0
    for length, field, meaning in rows:
        placed.append((at, length, phy[at : at + length].hex(), field, meaning))
        at += length
    return placed


# --- values


def _explain_join_request(frame: JoinRequest, app_key: bytes | None) -> dict[str, Any]:
    mic_ok = _join_mic_ok(frame.phy, app_key)
    return {
        "type": "JoinRequest",
        "join_eui": eui_text(frame.join_eui),
        "dev_eui": eui_text(frame.dev_eui),
        "dev_nonce": frame.dev_nonce,
        "mic_hex": frame.mic.hex(),
        "mic_ok": mic_ok,
        "notes": ["the AppKey would check the MIC"] if mic_ok is None else [],
    }


def _explain_join_accept(frame: EncryptedJoinAccept, app_key: bytes | None) -> dict[str, Any]:
    accept = _open(frame, app_key)
    names = ("join_nonce", "net_id", "dev_addr", "rx1_dr_offset", "rx2_data_rate", "rx_delay", "cf_list", "mic_hex")
    if accept is None:
        nothing = dict.fromkeys(names)
        return {"type": "JoinAccept", **nothing, "mic_ok": None, "notes": ["a JoinAccept opens with the AppKey only"]}
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
        "mic_ok": _join_mic_ok(accept.phy, app_key),
        "decrypted_hex": accept.phy.hex(),
        "notes": [],
    }


def _explain_data(frame: DataFrame, nwk_skey: bytes | None, app_skey: bytes | None, fcnt_high: int) -> dict[str, Any]:
    up = frames.is_uplink(frame.mtype)
    plain = _decrypt(frame, nwk_skey, app_skey, fcnt_high)
    mic_ok = _data_mic_ok(frame, nwk_skey, fcnt_high)
    own = {"adr_ack_req": frame.adr_ack_req, "class_b": frame.class_b} if up else {"f_pending": frame.f_pending}
    return {
        "type": frames.TYPE_NAMES[frame.mtype],
        "dev_addr": addr_text(frame.dev_addr),
        "fcnt": frame.fcnt16 | fcnt_high << 16,
        "adr": frame.adr,
        "ack": frame.ack,
        **own,
        "fport": frame.fport,
        "fopts_hex": frame.fopts.hex(),
        "mac_commands": [{"name": c.name, **c.fields} for c in _commands(frame, plain)],
        "payload_hex": None if plain is None else plain.hex(),
        "encrypted_hex": frame.frm_payload.hex(),
        "mic_hex": frame.mic.hex(),
        "mic_ok": mic_ok,
        "notes": _notes(frame, plain, mic_ok),
    }


def _notes(frame: DataFrame, plain: bytes | None, mic_ok: bool | None) -> list[str]:
    notes = []
    if frames.conflict(frame):
        notes.append(f"a receiver drops this frame: {frames.conflict(frame)}")
    if mic_ok is None:
        notes.append("the NwkSKey would check the MIC")
    if mic_ok is False:
        notes.append("the MIC is wrong: another key or counter (--fcnt-high), LoRaWAN 1.1, or a forged frame")
    if plain is None:
        notes.append(f"the {'NwkSKey' if frame.fport == 0 else 'AppSKey'} would decrypt the payload")
    return notes


# --- keys


def _join_mic_ok(phy: bytes, app_key: bytes | None) -> bool | None:
    return None if app_key is None else bool(join_mic(aes(app_key), phy[:-4]) == phy[-4:])


def _open(frame: EncryptedJoinAccept, app_key: bytes | None) -> JoinAccept | None:
    return None if app_key is None else frames.parse_join_accept(decrypt_join_accept(aes(app_key), frame.phy))


def _direction(frame: DataFrame) -> int:
    return UP if frames.is_uplink(frame.mtype) else DOWN


def _data_mic_ok(frame: DataFrame, nwk_skey: bytes | None, fcnt_high: int) -> bool | None:
    if nwk_skey is None:
        return None
    fcnt = frame.fcnt16 | fcnt_high << 16
    return bool(data_mic(aes(nwk_skey), _direction(frame), frame.dev_addr, fcnt, frame.phy[:-4]) == frame.mic)


def _decrypt(frame: DataFrame, nwk_skey: bytes | None, app_skey: bytes | None, fcnt_high: int) -> bytes | None:
    """The payload decrypted; b"" where there is none; None without the key it takes."""
    key = nwk_skey if frame.fport == 0 else app_skey
    if not frame.frm_payload:
        return b""
    if key is None:
        return None
    fcnt = frame.fcnt16 | fcnt_high << 16
    return bytes(crypt_payload(aes(key), _direction(frame), frame.dev_addr, fcnt, frame.frm_payload))


def _commands(frame: DataFrame, plain: bytes | None) -> list[Any]:
    commands: list[Any] = mac.parse(frame.fopts, _direction(frame))
    if frame.fport == 0 and plain:
        commands += mac.parse(plain, _direction(frame))
    return commands


# --- rows: (length, field, meaning)


def _mic_row(mic_ok: bool | None, key: str) -> tuple[int, str, str]:
    return 4, "MIC", {None: f"not checked, needs the {key}", True: "correct", False: "WRONG"}[mic_ok]


def _join_request_rows(frame: JoinRequest, app_key: bytes | None) -> list[tuple[int, str, str]]:
    return [
        (8, "JoinEUI", eui_text(frame.join_eui)),
        (8, "DevEUI", eui_text(frame.dev_eui)),
        (2, "DevNonce", f"{frame.dev_nonce} (0x{frame.dev_nonce:04x})"),
        _mic_row(_join_mic_ok(frame.phy, app_key), "AppKey"),
    ]


def _join_accept_rows(accept: JoinAccept, mic_ok: bool | None) -> list[tuple[int, str, str]]:
    frequencies = ", ".join(f"{hz / 1e6:.1f}" for hz in eu868.parse_cf_list(accept.cf_list) if hz)
    cf_list = f"channels 3 to 7: {frequencies} MHz" if frequencies else "not a list of frequencies"
    return [
        (3, "JoinNonce", f"{accept.join_nonce} (0x{accept.join_nonce:06x})"),
        (3, "NetID", f"{accept.net_id:06x}"),
        (4, "DevAddr", addr_text(accept.dev_addr)),
        (1, "DLSettings", f"RX1DROffset {accept.rx1_dr_offset}, RX2 data rate {accept.rx2_data_rate}"),
        (1, "RxDelay", f"RX1 after {accept.rx_delay or 1} s"),
        *([(16, "CFList", cf_list)] if accept.cf_list else []),
        _mic_row(mic_ok, "AppKey"),
    ]


def _data_rows(
    frame: DataFrame, plain: bytes | None, mic_ok: bool | None, fcnt_high: int
) -> list[tuple[int, str, str]]:
    flags = ("ADR", frame.adr), ("ADRACKReq", frame.adr_ack_req), ("ACK", frame.ack), ("ClassB", frame.class_b)
    names = [name for name, is_set in (*flags, ("FPending", frame.f_pending)) if is_set]
    full = frame.fcnt16 | fcnt_high << 16
    rows = [
        (4, "DevAddr", addr_text(frame.dev_addr)),
        (1, "FCtrl", ", ".join([*names, f"{len(frame.fopts)} bytes of FOpts"])),
        (2, "FCnt", str(frame.fcnt16) if full == frame.fcnt16 else f"{frame.fcnt16}, in full {full}"),
        *_command_rows("FOpts", mac.parse(frame.fopts, _direction(frame))),
    ]
    if frame.fport is not None:
        use = "MAC commands" if frame.fport == 0 else "application" if frame.fport < 224 else "test or reserved"
        rows.append((1, "FPort", f"{frame.fport}, {use}"))
    if frame.fport == 0 and plain:
        rows += _command_rows("FRMPayload", mac.parse(plain, _direction(frame)))
    elif frame.frm_payload:
        key = "NwkSKey" if frame.fport == 0 else "AppSKey"
        meaning = f"encrypted, needs the {key}" if plain is None else f"decrypted {plain.hex()}"
        rows.append((len(frame.frm_payload), "FRMPayload", meaning))
    return [*rows, _mic_row(mic_ok, "NwkSKey")]


def _command_rows(field: str, commands: list[Any]) -> list[tuple[int, str, str]]:
    rows = []
    for command in commands:
        values = ", ".join(f"{name} {value}" for name, value in command.fields.items())
        rows.append((mac.length(command), field, f"{command.name} {values}".rstrip()))
    return rows
