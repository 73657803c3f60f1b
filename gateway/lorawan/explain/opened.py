"""A frame with the keys that somebody has: is the MIC right, what does the payload say.

The rule: with a key the payload is decrypted whether or not the MIC fits, since a wrong counter or key is what one
looks for; `mic_ok` tells. What a missing key would open is None. Specification: LoRaWAN 1.0.4, sections 4.3.3, 4.4
and 6.2.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.lorawan import frames, mac
from edge.lorawan.frames import DataFrame, EncryptedJoinAccept, JoinRequest
from edge.lorawan.security import DOWN, UP, crypt_payload, data_mic, decrypt_join_accept, join_mic
from gateway.lorawan.aes import aes


class Keys(NamedTuple):
    """What is known beside the frame: 16 bytes a key, and the frame counter's upper 16 bits."""

    nwk_skey: bytes | None = None
    app_skey: bytes | None = None
    app_key: bytes | None = None
    fcnt_high: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """`phy`: as on the air, a JoinAccept decrypted where that was possible. `plain`: a data frame's payload."""

    frame: Any  # frames.JoinRequest, JoinAccept, EncryptedJoinAccept or DataFrame
    phy: bytes
    mic_ok: bool | None
    plain: bytes | None = None

    @property
    def commands(self) -> list[mac.Command]:
        """The MAC commands of a data frame, in FOpts and on port 0."""
        found: list[mac.Command] = mac.parse(self.frame.fopts, direction(self.frame))
        if self.frame.fport == 0 and self.plain:
            found += mac.parse(self.plain, direction(self.frame))
        return found


def open_frame(phy: bytes, keys: Keys) -> Opened:
    """Everything that the keys tell of a frame. Raises FrameError."""
    frame = frames.parse(phy)
    app = aes(keys.app_key) if keys.app_key else None
    if isinstance(frame, JoinRequest):
        return Opened(frame, phy, None if app is None else join_mic(app, phy[:-4]) == frame.mic)
    if isinstance(frame, EncryptedJoinAccept):
        if app is None:
            return Opened(frame, phy, None)
        plain = decrypt_join_accept(app, phy)
        return Opened(frames.parse_join_accept(plain), plain, join_mic(app, plain[:-4]) == plain[-4:])
    return Opened(frame, phy, _data_mic_ok(frame, keys), _decrypted(frame, keys))


def direction(frame: DataFrame) -> int:
    """UP or DOWN."""
    return UP if frames.is_uplink(frame.mtype) else DOWN


def full_count(frame: DataFrame, keys: Keys) -> int:
    """The 32-bit frame counter."""
    return int(frame.fcnt16 | keys.fcnt_high << 16)


def _data_mic_ok(frame: DataFrame, keys: Keys) -> bool | None:
    if keys.nwk_skey is None:
        return None
    fcnt = full_count(frame, keys)
    return bool(data_mic(aes(keys.nwk_skey), direction(frame), frame.dev_addr, fcnt, frame.phy[:-4]) == frame.mic)


def _decrypted(frame: DataFrame, keys: Keys) -> bytes | None:
    """The payload; b"" where there is none; None without the key it takes."""
    key = keys.nwk_skey if frame.fport == 0 else keys.app_skey
    if not frame.frm_payload:
        return b""
    if key is None:
        return None
    return bytes(crypt_payload(aes(key), direction(frame), frame.dev_addr, full_count(frame, keys), frame.frm_payload))
