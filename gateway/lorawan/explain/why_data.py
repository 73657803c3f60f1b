"""What goes wrong with a data frame's MIC: counter, keys, byte orders, version, damage.

The rule: a MIC is computed over a block of direction, address and 32-bit counter and over the frame, so each of these
is tried on its own. Given is what the technician typed; the frame is as it came. Searches are bounded (a fraction of
a second in all). Specification: LoRaWAN 1.0.4, section 4.4; 1.1, section 4.4 (two halves, two keys).
"""

import struct
from collections.abc import Iterator

from edge.crypto import cmac
from edge.lorawan import frames
from edge.lorawan.frames import DataFrame, addr_text
from edge.lorawan.security import DOWN, UP, data_mic, session_keys
from gateway.lorawan.aes import Aes, aes
from gateway.lorawan.explain.finding import Finding, Search, damaged, reversed_mic
from gateway.lorawan.explain.opened import Keys, direction

HIGHS = 1024  # upper halves tried with keys other than the one given; with that one, all 65,536
JOINS, NONCES, NET_IDS = 32, 64, (0x000000, 0x000013, 0x000001)  # sessions of a young device that are tried
DATA_RATES, CHANNELS = 7, 16  # in the MIC of LoRaWAN 1.1


def _named(keys: Keys) -> Iterator[tuple[str, bytes]]:
    """The keys that are given, each with its option."""
    for option, key in (("--nwk-skey", keys.nwk_skey), ("--app-skey", keys.app_skey), ("--app-key", keys.app_key)):
        if key is not None:
            yield option, key


def _high(key: bytes, frame: DataFrame, given: int, highs: int) -> int | None:
    """The counter's upper half with which the key fits."""
    nwk, way, body = aes(key), direction(frame), frame.phy[:-4]
    for high in (given, *range(highs)):
        if data_mic(nwk, way, frame.dev_addr, frame.fcnt16 | high << 16, body) == frame.mic:
            return int(high)
    return None


def _also_high(high: int, keys: Keys) -> str:
    return "" if high == keys.fcnt_high else f", and --fcnt-high {high}"


def _other_key(phy: bytes, keys: Keys) -> Finding | None:
    """A key that is given under another name, or with its bytes the other way round."""
    frame = frames.parse(phy)
    for option, key in _named(keys):
        for turned in (False, True):
            if option == "--nwk-skey" and not turned:
                continue
            right = key[::-1] if turned else key
            high = _high(right, frame, keys.fcnt_high, HIGHS)
            if high is not None:
                return _finding(option, right, turned, high, keys)
    return _derived(frame, keys)


def _finding(option: str, right: bytes, turned: bool, high: int, keys: Keys) -> Finding:
    also = _also_high(high, keys)
    details = {"fcnt_high": high}
    order = " with its bytes reversed" if turned else ""
    if option == "--nwk-skey":
        way_out = f"give --nwk-skey {right.hex()}{also}; look at the AppSKey too"
        return Finding("key_reversed", f"the MIC fits with the NwkSKey's bytes reversed: {way_out}", details)
    if option == "--app-skey":
        swapped = "swap --nwk-skey and --app-skey" if keys.nwk_skey else "give it as --nwk-skey"
        sentence = f"the MIC fits with the key given as AppSKey{order}, so that is the NwkSKey: {swapped}{also}"
        return Finding("keys_swapped_and_reversed" if turned else "keys_swapped", sentence, details)
    sentence = (
        f"the MIC fits with the AppKey itself{order}, used as NwkSKey: mend the device, a join derives the NwkSKey"
    )
    return Finding("app_key_as_nwk_skey", sentence + also, details)


def _derived(frame: DataFrame, keys: Keys) -> Finding | None:
    """A key that is the AppKey: its first sessions are tried."""
    way, body = direction(frame), frame.phy[:-4]
    for option, key in _named(keys):
        app = aes(key)
        for net_id in NET_IDS:
            for join_nonce in range(JOINS):
                for dev_nonce in range(NONCES):
                    nwk_skey, app_skey = session_keys(app, join_nonce, net_id, dev_nonce)
                    fcnt = frame.fcnt16 | keys.fcnt_high << 16
                    if data_mic(Aes(nwk_skey), way, frame.dev_addr, fcnt, body) == frame.mic:
                        return _session(option, (join_nonce, net_id, dev_nonce), nwk_skey, app_skey)
    return None


def _session(option: str, join: tuple[int, int, int], nwk_skey: bytes, app_skey: bytes) -> Finding:
    join_nonce, net_id, dev_nonce = join
    given = "the AppKey" if option == "--app-key" else f"the key given with {option} is the AppKey: it"
    sentence = (
        f"{given} gives this frame's session with JoinNonce {join_nonce}, NetID {net_id:06x} and DevNonce {dev_nonce}: "
        f"give --nwk-skey {nwk_skey.hex()} --app-skey {app_skey.hex()}"
    )
    details = {"join_nonce": join_nonce, "net_id": f"{net_id:06x}", "dev_nonce": dev_nonce}
    return Finding("app_key_given", sentence, {**details, "nwk_skey": nwk_skey.hex(), "app_skey": app_skey.hex()})


def _counter(phy: bytes, keys: Keys) -> Finding | None:
    if keys.nwk_skey is None:
        return None
    frame = frames.parse(phy)
    high = _high(keys.nwk_skey, frame, keys.fcnt_high, 1 << 16)
    if high is None:
        return None
    fcnt = frame.fcnt16 | high << 16
    sentence = f"the MIC fits with frame counter {fcnt}, whose upper half is {high}: give --fcnt-high {high}"
    return Finding("fcnt_high", sentence, {"fcnt_high": high, "fcnt": fcnt})


def _byte_order(phy: bytes, keys: Keys) -> Finding | None:
    """Address, counter or MIC the other way round, in the frame, in the MIC's block or in both."""
    if keys.nwk_skey is None:
        return None
    frame, nwk = frames.parse(phy), aes(keys.nwk_skey)
    way, high = direction(frame), keys.fcnt_high << 16
    turned_addr = int.from_bytes(phy[1:5], "big")
    turned_fcnt = int.from_bytes(phy[6:8], "big")
    body = phy[:-4]
    turned_body = body[:1] + body[4:0:-1] + body[5:]
    for addr, over in ((turned_addr, body), (turned_addr, turned_body), (frame.dev_addr, turned_body)):
        if data_mic(nwk, way, addr, frame.fcnt16 | high, over) == frame.mic:
            sentence = (
                "the MIC fits with DevAddr's bytes reversed: the sender mixes up their order; on the air the least"
            )
            details = {"dev_addr": addr_text(turned_addr)}
            return Finding(
                "dev_addr_reversed", f"{sentence} significant goes first (is it {details['dev_addr']}?)", details
            )
    over = body[:6] + body[7:5:-1] + body[8:]
    for covered in (body, over):
        if data_mic(nwk, way, frame.dev_addr, turned_fcnt | high, covered) == frame.mic:
            sentence = (
                f"the MIC fits with FCnt's bytes reversed, as frame {turned_fcnt}: the sender mixes up their order"
            )
            return Finding("fcnt_reversed", sentence, {"fcnt": turned_fcnt | high})
    return reversed_mic(phy, lambda candidate: _fits(candidate, keys))


def _other_way(phy: bytes, keys: Keys) -> Finding | None:
    if keys.nwk_skey is None:
        return None
    frame = frames.parse(phy)
    way = DOWN if direction(frame) == UP else UP
    fcnt = frame.fcnt16 | keys.fcnt_high << 16
    if data_mic(aes(keys.nwk_skey), way, frame.dev_addr, fcnt, phy[:-4]) != frame.mic:
        return None
    said, is_so = ("up", "a downlink") if way == DOWN else ("down", "an uplink")
    sentence = f"the MIC is that of {is_so}, but the frame type says {said}: the sender mixes up the direction"
    return Finding("direction", sentence, {})


def _lorawan_1_1(phy: bytes, keys: Keys) -> Finding | None:
    if keys.nwk_skey is None:
        return None
    frame, key = frames.parse(phy), aes(keys.nwk_skey)
    way, body = direction(frame), phy[:-4]
    tail = (0, way, frame.dev_addr, frame.fcnt16 | keys.fcnt_high << 16, 0, len(body))
    plain = "a frame of LoRaWAN 1.1, which is not handled here: set the device to 1.0.4, or let it join as 1.0"
    if way == DOWN:
        for confirmed in range(1 << 16) if frame.ack else ():
            if cmac(key, struct.pack("<BHHBIIBB", 0x49, confirmed, *tail) + body)[:4] == frame.mic:
                sentence = f"{plain} (it confirms uplink {confirmed}, which is part of the MIC there)"
                return Finding("lorawan_1_1", sentence, {"conf_fcnt": confirmed})
        return None
    if data_mic(key, way, frame.dev_addr, tail[3], body)[:2] == frame.mic[2:]:
        sentence = f"two bytes of the MIC fit, as they do in {plain}. The key is its FNwkSIntKey"
        return Finding("lorawan_1_1", sentence, {"key": "FNwkSIntKey"})
    for rate, channel in ((r, c) for r in range(DATA_RATES) for c in range(CHANNELS)) if not frame.ack else ():
        head = struct.pack("<BHBB", 0x49, 0, rate, channel)
        if cmac(key, head + struct.pack("<BIIBB", *tail[1:]) + body)[:2] == frame.mic[:2]:
            sentence = f"two bytes of the MIC fit, as they would in {plain}. The key would be its SNwkSIntKey"
            return Finding("lorawan_1_1", sentence, {"key": "SNwkSIntKey", "data_rate": rate, "channel": channel})
    return None


def _damaged(phy: bytes, keys: Keys) -> Finding | None:
    return None if keys.nwk_skey is None else damaged(phy, lambda candidate: _fits(candidate, keys), fixed_length=False)


def _fits(phy: bytes, keys: Keys) -> bool:
    """Whether these bytes are a data frame with a right MIC, however they came about."""
    kind = phy[0] >> 5
    if len(phy) < frames.DATA_MIN or not frames.UNCONFIRMED_UP <= kind <= frames.CONFIRMED_DOWN or len(phy) > 259:
        return False
    assert keys.nwk_skey
    addr = int.from_bytes(phy[1:5], "little")
    fcnt = phy[6] | phy[7] << 8 | keys.fcnt_high << 16
    return bool(data_mic(aes(keys.nwk_skey), kind & 1, addr, fcnt, phy[:-4]) == phy[-4:])


SEARCHES = (
    Search("a key reversed, under another name, or the AppKey of a young session", _other_key),
    Search("the counter's upper half (all 65,536)", _counter),
    Search("the byte order of DevAddr, FCnt or MIC", _byte_order),
    Search("a frame of the other direction", _other_way),
    Search("one byte wrong, missing or too many", _damaged),
    Search("LoRaWAN 1.1 with this key, as far as it shows", _lorawan_1_1),
)
