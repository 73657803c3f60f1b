"""AES-CMAC and LoRaWAN's key stream over an AES that is handed in.

The rule: no cipher in here. `aes(key)` gives an object with `ecb(blocks) -> blocks` (encrypt, any number of
16-byte blocks) and, for the network role's join-accept, `ecb_decrypt(blocks)`. One that brings a `cmac(message)`
of its own (a fast library) is used as it is. `gateway.lorawan.aes` is CPython's, `edge.aes_micropython` the device's.
Specification: RFC 4493; LoRaWAN 1.0.4 section 4.3.3.
"""

BLOCK = 16
_COUNTERS = tuple(bytes((i,)) for i in range(1, 17))  # 16 blocks cover the longest frame


def cmac(aes, message):
    """AES-CMAC (16 bytes) of a message with the key of `aes`."""
    own = getattr(aes, "cmac", None)
    return own(message) if own else cmac_by_ecb(aes, message)


def cmac_by_ecb(aes, message):
    """AES-CMAC (16 bytes) from nothing but `aes.ecb`, as in RFC 4493."""
    ecb = aes.ecb
    k1 = _double(ecb(bytes(BLOCK)))
    last = (len(message) - 1) // BLOCK * BLOCK if message else 0
    tail = message[last:]
    if len(tail) == BLOCK:
        tail = xor(tail, k1)
    else:
        tail = xor(tail + b"\x80" + bytes(BLOCK - 1 - len(tail)), _double(k1))
    mac = bytes(BLOCK)
    for i in range(0, last, BLOCK):
        mac = ecb(xor(mac, message[i : i + BLOCK]))
    return ecb(xor(mac, tail))


def xor_stream(aes, head, data):
    """`data` xor the key stream of the blocks `head` (15 bytes) + 1, 2, 3 …; the same call encrypts and decrypts."""
    n = len(data)
    if not n:
        return b""
    stream = aes.ecb(b"".join([head + i for i in _COUNTERS[: (n + 15) // BLOCK]]))
    return xor(data, stream[:n])


def xor(a, b):
    """Two byte strings of one length, xor."""
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")


def _double(block):
    """Multiply by x in GF(2^128): how RFC 4493 makes its subkeys."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = (value & ((1 << 128) - 1)) ^ 0x87
    return value.to_bytes(BLOCK, "big")
