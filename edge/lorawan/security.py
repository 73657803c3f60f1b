"""Message integrity, encryption and session keys of LoRaWAN 1.0.x.

The rule: keys come in as AES objects (see `edge.crypto`), frame counters as full 32-bit numbers, and nothing is kept.
MICs are compared by whoever calls. Specification: LoRaWAN 1.0.4, sections 4.3.3, 4.4, 6.2.
"""

import struct

from edge.crypto import cmac, xor_stream

UP, DOWN = 0, 1
KEY_LENGTH = 16


def data_mic(nwk, direction, dev_addr, fcnt, body):
    """The four bytes behind a data frame `body` (MHDR to payload); `nwk` is the AES of the NwkSKey."""
    return cmac(nwk, struct.pack("<BIBIIBB", 0x49, 0, direction, dev_addr, fcnt, 0, len(body)) + body)[:4]


def crypt_payload(key, direction, dev_addr, fcnt, payload):
    """FRMPayload encrypted or decrypted (the same): `key` is the AES of the AppSKey, of the NwkSKey on port 0."""
    return xor_stream(key, struct.pack("<BIBIIB", 1, 0, direction, dev_addr, fcnt, 0), payload)


def join_mic(app, body):
    """The four bytes behind a JoinRequest, or behind a plain JoinAccept; `app` is the AES of the AppKey."""
    return cmac(app, body)[:4]


def encrypt_join_accept(app, plain):
    """Network: a plain JoinAccept with its MIC, as it goes on the air: AES run backwards, so that devices need not."""
    return plain[:1] + app.ecb_decrypt(plain[1:])


def decrypt_join_accept(app, phy):
    """Device: the plain JoinAccept with its MIC, from the air."""
    return phy[:1] + app.ecb(phy[1:])


def session_keys(app, join_nonce, net_id, dev_nonce):
    """`(nwk_skey, app_skey)` of a join, 16 bytes each."""
    tail = join_nonce.to_bytes(3, "little") + net_id.to_bytes(3, "little") + dev_nonce.to_bytes(2, "little") + bytes(7)
    keys = app.ecb(b"\x01" + tail + b"\x02" + tail)
    return keys[:16], keys[16:]
