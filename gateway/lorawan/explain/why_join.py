"""What goes wrong with the MIC of a join: the key, the order of the EUIs, the cipher's direction, damage.

The rule: as in `why_data`, only what the MIC confirms. A JoinAccept of LoRaWAN 1.1 cannot be checked by itself (its MIC
covers the JoinRequest); `may_be_1_1` tells only that the decrypted frame makes sense and asks for 1.1.
Specification: LoRaWAN 1.0.4, section 6.2; 1.1, section 6.2.3.
"""

from itertools import product

from edge.lorawan import eu868, frames
from edge.lorawan.security import decrypt_join_accept, join_mic
from gateway.lorawan.aes import aes
from gateway.lorawan.explain.finding import Finding, Search, damaged, reversed_mic
from gateway.lorawan.explain.opened import Keys

NAMES = {"--nwk-skey": "NwkSKey", "--app-skey": "AppSKey", "--app-key": "AppKey"}


def _fits(phy: bytes, key: bytes) -> bool:
    """Whether the MIC of a JoinRequest, or of a JoinAccept from the air, is right."""
    app = aes(key)
    plain = decrypt_join_accept(app, phy) if phy[0] >> 5 == frames.JOIN_ACCEPT else phy
    return bool(join_mic(app, plain[:-4]) == plain[-4:])


def _other_key(phy: bytes, keys: Keys) -> Finding | None:
    """The key with its bytes the other way round, or given under another name."""
    for option, key in zip(NAMES, keys[:3], strict=False):
        if key is None:
            continue
        if _fits(phy, key):
            sentence = f"the MIC fits with the key given as {NAMES[option]}: give it as --app-key"
            return Finding("key_misnamed", f"{sentence} (in LoRaWAN 1.1 it is the NwkKey)", {"option": option})
        if _fits(phy, key[::-1]):
            sentence = f"the MIC fits with the {NAMES[option]}'s bytes reversed: give --app-key {key[::-1].hex()}"
            return Finding("key_reversed", sentence, {"option": option})
    return None


def _request_order(phy: bytes, keys: Keys) -> Finding | None:
    """EUIs and DevNonce in another order than on the air."""
    if keys.app_key is None:
        return None
    fields = {"JoinEUI": phy[1:9], "DevEUI": phy[9:17], "DevNonce": phy[17:19]}
    for swapped, *turned in product((False, True), repeat=4):
        join_eui, dev_eui, nonce = (v[::-1] if t else v for v, t in zip(fields.values(), turned, strict=True))
        first, second = (dev_eui, join_eui) if swapped else (join_eui, dev_eui)
        if not _fits(phy[:1] + first + second + nonce + phy[-4:], keys.app_key):
            continue
        wrong = [f"{name}'s bytes reversed" for name, is_so in zip(fields, turned, strict=True) if is_so]
        wrong += ["the two EUIs swapped"] if swapped else []
        euis = {"join_eui": first[::-1].hex(), "dev_eui": second[::-1].hex()}
        sentence = f"the MIC fits with {' and '.join(wrong)}: the sender mixes up their order. Meant are JoinEUI "
        return Finding("eui_order", sentence + f"{euis['join_eui']} and DevEUI {euis['dev_eui']}", euis)
    return reversed_mic(phy, lambda candidate: _fits(candidate, keys.app_key or b""))


def _accept_cipher(phy: bytes, keys: Keys) -> Finding | None:
    """Not encrypted at all, or encrypted with the cipher running forward; or the MIC reversed."""
    if keys.app_key is None:
        return None
    app = aes(keys.app_key)
    if join_mic(app, phy[:-4]) == phy[-4:]:
        sentence = "the MIC fits as it stands: this JoinAccept is decrypted already, or was never encrypted"
        return Finding("not_encrypted", sentence, {"decrypted_hex": phy.hex()})
    plain = phy[:1] + app.ecb_decrypt(phy[1:])
    if join_mic(app, plain[:-4]) == plain[-4:]:
        sentence = "the MIC fits if AES runs the other way: the network must decrypt to encrypt a JoinAccept"
        return Finding("cipher_direction", sentence, {"decrypted_hex": plain.hex()})
    plain = decrypt_join_accept(app, phy)
    return reversed_mic(plain, lambda candidate: join_mic(app, candidate[:-4]) == candidate[-4:])


def may_be_1_1(phy: bytes, keys: Keys) -> bool:
    """Whether a JoinAccept asks for LoRaWAN 1.1 (OptNeg) and its other fields make sense."""
    if keys.app_key is None:
        return False
    accept = frames.parse_join_accept(decrypt_join_accept(aes(keys.app_key), phy))
    listed = [hz for hz in eu868.parse_cf_list(accept.cf_list) if hz]
    sound = accept.phy[12] < 16 and accept.rx2_data_rate < 8 and accept.rx1_dr_offset < 6
    if accept.cf_list:
        sound = sound and bool(listed) and all(map(eu868.usable, listed))
    return sound and bool(accept.phy[11] & 0x80)


def _damaged(phy: bytes, keys: Keys) -> Finding | None:
    key = keys.app_key
    return None if key is None else damaged(phy, lambda candidate: _fits(candidate, key), fixed_length=True)


REQUEST_SEARCHES = (
    Search("the key reversed or under another name", _other_key),
    Search("the order of the EUIs, the DevNonce or the MIC", _request_order),
    Search("one byte wrong", _damaged),
)
ACCEPT_SEARCHES = (
    Search("the key reversed or under another name", _other_key),
    Search("a frame that is not encrypted, AES run the other way, or the MIC's order", _accept_cipher),
    Search("one byte wrong", _damaged),
)
