"""What a search for the reason of a wrong MIC is and finds, and the searches that any frame may need.

The rule: `fits(phy)` is the only judge. It takes a whole frame and says whether its MIC is right, so the damage done by
a wrong, lost or added byte is found without knowing what the byte was for.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gateway.lorawan.explain.opened import Keys

Fits = Callable[[bytes], bool]
TAIL_MAX = 8  # bytes that something has put behind a frame


class Finding(NamedTuple):
    """`sentence`: without capital and full stop, with the way out; `details`: for scripts."""

    reason: str
    sentence: str
    details: dict[str, Any]


class Search(NamedTuple):
    """`what` it looks for, in words that follow "it is not:"."""

    what: str
    run: Callable[[bytes, Keys], Finding | None]


def reversed_mic(phy: bytes, fits: Fits) -> Finding | None:
    """The MIC was written most significant byte first."""
    if not fits(phy[:-4] + phy[:-5:-1]):
        return None
    sentence = "the MIC fits with its four bytes reversed: the sender writes it in the wrong order"
    return Finding("mic_reversed", sentence, {"mic_hex": phy[:-5:-1].hex()})


def damaged(phy: bytes, fits: Fits, fixed_length: bool) -> Finding | None:
    """One byte is wrong; and, where a frame has no `fixed_length`, bytes are missing or too many."""
    if not fixed_length:
        for n in range(1, TAIL_MAX + 1):
            if fits(phy[:-n]):
                sentence = f"the MIC fits without the last {n} bytes ({phy[-n:].hex()}): they are not of the frame"
                return Finding("extra_bytes", sentence, {"extra_hex": phy[-n:].hex(), "frame_hex": phy[:-n].hex()})
        for at in range(len(phy)):
            if fits(phy[:at] + phy[at + 1 :]):
                sentence = f"the MIC fits without byte {at} ({phy[at]:02x}), which is one too many"
                return Finding("extra_byte", sentence, {"at": at, "frame_hex": (phy[:at] + phy[at + 1 :]).hex()})
    for at, value, candidate in _changed(phy, 1):
        if fits(candidate):
            sentence = f"the MIC fits if byte {at} is {value:02x} and not {phy[at]:02x}: damaged or mistyped"
            return Finding("wrong_byte", sentence, {"at": at, "is": phy[at], "should_be": value})
    for at, value, candidate in _changed(phy, 0) if not fixed_length else ():
        if fits(candidate):
            sentence = f"the MIC fits with a byte {value:02x} put in before byte {at}: it is missing"
            return Finding("missing_byte", sentence, {"at": at, "should_be": value, "frame_hex": candidate.hex()})
    return None


def _changed(phy: bytes, taken: int) -> Iterator[tuple[int, int, bytes]]:
    """(position, value, frame) for every byte instead of (taken = 1) or before (taken = 0) every byte."""
    for at in range(len(phy) + 1 - taken):
        head, tail = phy[:at], phy[at + taken :]
        for value in range(256):
            yield at, value, head + bytes((value,)) + tail
