"""A frame byte by byte and bit by bit: rows for people, every byte once and in order.

The rule: a row is a whole field; what its bits say are its parts. Multi-byte numbers go least significant byte first on
the air and are written the other way round, as on labels. Long payloads are cut into rows of eight bytes.
Specification: LoRaWAN 1.0.4, sections 4.1 to 4.3 and 6.2; address types from LoRaWAN Backend Interfaces 1.1, annex.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge.lorawan import eu868, frames, mac
from edge.lorawan.frames import DataFrame, EncryptedJoinAccept, JoinAccept, JoinRequest, addr_text, eui_text
from gateway.lorawan.explain import commands
from gateway.lorawan.explain.bits import DL_SETTINGS, FCTRL_DOWN, FCTRL_UP, MHDR, RX_DELAY, TYPES, Part, bits, pattern
from gateway.lorawan.explain.opened import Keys, Opened, direction, full_count, open_frame

WIDTH = 8  # bytes of a long field in one row
# How many bits of a DevAddr are (its type's prefix, the network), by type
ADDRESS_TYPES = ((1, 6), (2, 6), (3, 9), (4, 11), (5, 12), (6, 13), (7, 15), (8, 17))


class Row(NamedTuple):
    """A field: where, its bytes (decrypted where that was possible), what they say. `kind`: for the colour."""

    at: int
    octets: bytes
    field: str
    meaning: str
    kind: str  # type address control counter command payload encrypted right wrong unchecked
    parts: tuple[Part, ...] = ()


Cut = tuple[int, str, str, str, tuple[Part, ...]]  # bytes, field, meaning, kind, parts


def annotate(
    phy: bytes,
    nwk_skey: bytes | None = None,
    app_skey: bytes | None = None,
    app_key: bytes | None = None,
    fcnt_high: int = 0,
) -> list[Row]:
    """The rows of a frame. A JoinAccept and MAC commands on port 0 show their decrypted bytes. Raises FrameError."""
    keys = Keys(nwk_skey, app_skey, app_key, fcnt_high)
    opened = open_frame(phy, keys)
    shown = opened.phy
    if isinstance(opened.frame, JoinRequest):
        cuts = _join_request(opened)
    elif isinstance(opened.frame, EncryptedJoinAccept):
        cuts = list(_long(shown[1:], "encrypted", "encrypted", lambda _: "needs the AppKey"))
    elif isinstance(opened.frame, JoinAccept):
        cuts = _join_accept(opened)
    else:
        cuts = _data(opened, keys)
        if opened.frame.fport == 0 and opened.plain:
            shown = phy[: -4 - len(opened.plain)] + opened.plain + phy[-4:]
    rows: list[Row] = []
    at = 0
    for length, field, meaning, kind, parts in (_mhdr(phy[0]), *cuts):
        rows.append(Row(at, shown[at : at + length], field, meaning, kind, parts))
        at += length
    return rows


def _mhdr(value: int) -> Cut:
    return 1, "MHDR", TYPES[value >> 5], "type", bits(value, MHDR)


def _mic(opened: Opened, key: str) -> Cut:
    meaning = {None: f"not checked, needs the {key}", True: "correct", False: "WRONG"}[opened.mic_ok]
    return 4, "MIC", meaning, {None: "unchecked", True: "right", False: "wrong"}[opened.mic_ok], ()


def _join_request(opened: Opened) -> list[Cut]:
    frame = opened.frame
    return [
        (8, "JoinEUI", eui_text(frame.join_eui), "address", ()),
        (8, "DevEUI", eui_text(frame.dev_eui), "address", ()),
        (2, "DevNonce", f"{frame.dev_nonce} (0x{frame.dev_nonce:04x})", "counter", ()),
        _mic(opened, "AppKey"),
    ]


def _join_accept(opened: Opened) -> list[Cut]:
    accept = opened.frame
    return [
        (3, "JoinNonce", f"{accept.join_nonce} (0x{accept.join_nonce:06x})", "counter", ()),
        (3, "NetID", f"{accept.net_id:06x}", "address", ()),
        (4, "DevAddr", addr_text(accept.dev_addr), "address", _address(accept.dev_addr)),
        (1, "DLSettings", "how to listen for downlinks", "control", bits(accept.phy[11], DL_SETTINGS)),
        (1, "RxDelay", "when to listen for downlinks", "control", bits(accept.phy[12], RX_DELAY)),
        *_cf_list(accept.cf_list),
        _mic(opened, "AppKey"),
    ]


def _cf_list(cf_list: bytes) -> Iterator[Cut]:
    if not cf_list:
        return
    frequencies = eu868.parse_cf_list(cf_list)
    if not frequencies:
        yield from _long(cf_list, "CFList", "control", lambda _: "not a list of frequencies")
        return
    for i, hz in enumerate(frequencies):
        yield 3, "CFList", f"channel {3 + i}: " + (commands.megahertz(hz) if hz else "none"), "control", ()
    yield 1, "CFListType", "0: frequencies", "control", ()


def _address(dev_addr: int) -> tuple[Part, ...]:
    """The network of a DevAddr."""
    kind = 0
    while kind < 8 and dev_addr >> 31 - kind & 1:
        kind += 1
    if kind == 8:
        return (Part("", "network", "an address of no network type"),)
    prefix, width = ADDRESS_TYPES[kind]
    network = dev_addr >> 32 - prefix - width & (1 << width) - 1
    private = " (private)" if kind == 0 and network < 2 else ""
    return (Part("", "network", f"NwkID 0x{network:02x}, type {kind}{private}"),)


def _data(opened: Opened, keys: Keys) -> list[Cut]:
    frame = opened.frame
    up = frames.is_uplink(frame.mtype)
    full = full_count(frame, keys)
    count = str(frame.fcnt16) if full == frame.fcnt16 else f"{frame.fcnt16}, in full {full}"
    cuts = [
        (4, "DevAddr", addr_text(frame.dev_addr), "address", _address(frame.dev_addr)),
        (1, "FCtrl", "flags", "control", bits(frame.phy[5], FCTRL_UP if up else FCTRL_DOWN)),
        (2, "FCnt", f"frame {count}", "counter", ()),
        *_commands("FOpts", frame.fopts, direction(frame)),
    ]
    if frame.fport is not None:
        cuts.append((1, "FPort", _port(frame.fport, up), "control", ()))
    return [*cuts, *_payload(frame, opened.plain), _mic(opened, "NwkSKey")]


def _port(port: int, up: bool) -> str:
    ours = {1: "readings", 2: "readings sent again", 3: "status"} if up else {10: "acknowledgement", 11: "command"}
    if port == 0:
        return "0: MAC commands are the payload"
    if port >= 224:
        return f"{port}: " + ("test protocol" if port == 224 else "reserved")
    return f"{port}: the application's" + (f" (ours: {ours[port]})" if port in ours else "")


def _payload(frame: DataFrame, plain: bytes | None) -> list[Cut]:
    if plain is None:
        key = "NwkSKey" if frame.fport == 0 else "AppSKey"
        return list(_long(frame.frm_payload, "FRMPayload", "encrypted", lambda _: f"encrypted, needs the {key}"))
    if frame.fport == 0:
        return list(_commands("FRMPayload", plain, direction(frame)))
    return list(_long(frame.frm_payload, "FRMPayload", "payload", lambda at: _readable(plain[at : at + WIDTH])))


def _long(octets: bytes, field: str, kind: str, meaning: Callable[[int], str]) -> Iterator[Cut]:
    for at in range(0, len(octets), WIDTH):
        yield min(WIDTH, len(octets) - at), field, meaning(at), kind, ()


def _readable(plain: bytes) -> str:
    """Decrypted bytes as hex and, where they are some, as characters."""
    characters = "".join(chr(c) if 32 <= c < 127 else "·" for c in plain)
    return f"= {plain.hex(' '):23}  {characters}"


def _commands(field: str, data: bytes, way: int) -> Iterator[Cut]:
    at = 0
    for command in mac.parse(data, way):
        length = mac.length(command)
        name = command.fields.get("command", command.name)
        what = commands.WHAT.get(command.name, "")
        yield (
            length,
            field,
            f"{name}{': ' if what else ''}{what}",
            "command",
            _fields(command, data[at + 1 : at + length]),
        )
        at += length


def _fields(command: mac.Command, octets: bytes) -> tuple[Part, ...]:
    """The fields of a command, each with the bits or bytes it stands in."""
    row = next((row for row in mac.table() if row[2] == command.name), None)
    if row is None:
        missing = command.fields.get("bytes_missing")
        return (Part("", "", f"{missing} bytes are missing"),) if missing else ()
    found = []
    for name, low, width, _ in row[4]:
        at, inside = low // 8, low % 8
        shown = octets[at : at + width // 8].hex(" ")
        if width % 8:
            shown = pattern(octets[at], inside, width)
        found.append(Part(shown, commands.label(name), commands.words(command.name, name, command.fields[name])))
    return tuple(found)
