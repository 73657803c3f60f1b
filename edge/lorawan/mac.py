"""MAC commands as one table, read and written from it.

The rule: a command is a row; its payload is one little-endian number cut into bit fields. What is unknown or cut off
becomes a command of that name, never an exception: after an unknown identifier nobody knows where the next one
starts, so every byte from there on is reported as unknown and nothing is acted on.
Specification: LoRaWAN 1.0.4, sections 5 and (Class B, read only so that they can be skipped) 11 to 14.
"""

from collections import namedtuple

from edge.lorawan.frames import FrameError
from edge.lorawan.security import DOWN, UP

Command = namedtuple("Command", ("name", "cid", "fields"))  # fields: dict of name -> int or bool
UNKNOWN, INCOMPLETE = "Unknown", "Incomplete"

_U, _S, _B, _HZ, _DBM = "usbhd"  # unsigned, two's complement, bool, units of 100 Hz, index into EIRP_DBM
EIRP_DBM = (8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36)

# Identifier, direction (u up, d down), name, payload bytes, then the fields, name:bits:kind, from the lowest bit on;
# `_` are reserved bits. One text, because rows of tuples would take five times as much of a device's heap.
_ROWS = """
02 u LinkCheckReq 0
02 d LinkCheckAns 2 margin:8:u gateway_count:8:u
03 d LinkADRReq 4 tx_power_index:4:u data_rate_index:4:u channel_mask:16:u nb_trans:4:u channel_mask_control:3:u
03 u LinkADRAns 1 channel_mask_ack:1:b data_rate_index_ack:1:b tx_power_index_ack:1:b
04 d DutyCycleReq 1 max_duty_cycle:4:u
04 u DutyCycleAns 0
05 d RXParamSetupReq 4 rx2_data_rate_index:4:u rx1_dr_offset:3:u _:1:u rx2_frequency_hz:24:h
05 u RXParamSetupAns 1 rx2_frequency_ack:1:b rx2_dr_ack:1:b rx1_dr_offset_ack:1:b
06 d DevStatusReq 0
06 u DevStatusAns 2 battery:8:u margin:6:s
07 d NewChannelReq 5 channel_index:8:u frequency_hz:24:h min_dr:4:u max_dr:4:u
07 u NewChannelAns 1 frequency_ack:1:b data_rate_ack:1:b
08 d RXTimingSetupReq 1 delay:4:u
08 u RXTimingSetupAns 0
09 d TxParamSetupReq 1 max_eirp_dbm:4:d uplink_dwell:1:b downlink_dwell:1:b
09 u TxParamSetupAns 0
0a d DlChannelReq 4 channel_index:8:u frequency_hz:24:h
0a u DlChannelAns 1 frequency_ack:1:b uplink_frequency_ack:1:b
0d u DeviceTimeReq 0
0d d DeviceTimeAns 5 gps_seconds:32:u fraction_256ths:8:u
10 u PingSlotInfoReq 1 period:3:u
10 d PingSlotInfoAns 0
11 d PingSlotChannelReq 4 frequency_hz:24:h data_rate_index:4:u
11 u PingSlotChannelAns 1 frequency_ack:1:b data_rate_ack:1:b
12 u BeaconTimingReq 0
12 d BeaconTimingAns 3 delay:16:u channel_index:8:u
13 d BeaconFreqReq 3 frequency_hz:24:h
13 u BeaconFreqAns 1 frequency_ack:1:b
"""


def table():
    """Every command: (identifier, direction, name, payload bytes, ((field, first bit, bits, kind), …))."""
    return [_parsed(line) for line in _ROWS.strip().split("\n")]


def _parsed(line):
    words = line.split()
    fields: list = []
    shift = 0
    for text in words[4:]:
        name, width, kind = text.split(":")
        if name != "_":
            fields.append((name, shift, int(width), kind))
        shift += int(width)
    return int(words[0], 16), UP if words[1] == "u" else DOWN, words[2], int(words[3]), tuple(fields)


def _row(cid, direction):
    return _found(_ROWS.find("\n%02x %s " % (cid, "u" if direction == UP else "d")))


def _named(name):
    row = _found(_ROWS.rfind("\n", 0, max(0, _ROWS.find(" %s " % name))))
    return row if row and row[2] == name else None


def _found(at):
    return None if at < 0 else _parsed(_ROWS[at + 1 : _ROWS.find("\n", at + 1)])


def parse(data, direction):
    """The commands (list of Command) in FOpts or in the decrypted payload of port 0; `direction` is UP or DOWN."""
    commands: list = []
    at, n = 0, len(data)
    while at < n:
        cid = data[at]
        row = _row(cid, direction)
        if row is None:
            return commands + [Command(UNKNOWN, c, {"cid": c}) for c in data[at:]]
        end = at + 1 + row[3]
        if end > n:
            commands.append(Command(INCOMPLETE, cid, {"cid": cid, "command": row[2], "bytes_missing": end - n}))
            return commands
        payload = int.from_bytes(data[at + 1 : end], "little")
        commands.append(Command(row[2], cid, {f: _read(payload, shift, bits, k) for f, shift, bits, k in row[4]}))
        at = end
    return commands


def build(name, **fields):
    """One command as bytes; fields that are left out are 0. Raises FrameError for unknown names and bad values."""
    row = _named(name)
    if row is None:
        raise FrameError("there is no MAC command '%s'" % name)
    payload = 0
    for field, shift, bits, kind in row[4]:
        payload |= _write(name, field, fields.pop(field, None), bits, kind) << shift
    if fields:
        raise FrameError("%s has no field '%s'" % (name, sorted(fields)[0]))
    return bytes((row[0],)) + payload.to_bytes(row[3], "little")


def length(command):
    """Bytes a parsed command took, its identifier included."""
    if command.name == UNKNOWN:
        return 1
    row = _named(command.fields["command"] if command.name == INCOMPLETE else command.name)
    return 1 + row[3] - command.fields.get("bytes_missing", 0)


def _read(payload, shift, bits, kind):
    value = payload >> shift & (1 << bits) - 1
    if kind == _B:
        return value == 1
    if kind == _HZ:
        return value * 100
    if kind == _DBM:
        return EIRP_DBM[value]
    if kind == _S and value >> bits - 1:
        return value - (1 << bits)
    return value


def _write(name, field, value, bits, kind):
    raw = value or 0
    if kind == _HZ:
        raw, rest = divmod(raw, 100)
        raw = -1 if rest else raw
    elif kind == _DBM:
        raw = EIRP_DBM.index(value) if value in EIRP_DBM else (-1 if value is not None else 0)
    elif kind == _S and -(1 << bits - 1) <= raw < 1 << bits - 1:
        return raw & (1 << bits) - 1
    raw = int(raw)
    if not 0 <= raw < 1 << bits - (kind == _S):
        raise FrameError("%s: %s cannot be %r" % (name, field, value))
    return raw
