"""Frames in a stream of bytes from a sensor that talks whenever it likes: found again after garbage. Pure.

The rule: what does not check is skipped by one byte, so that a frame that begins inside of garbage is still found.
"""


def newest(data, frame_at):
    """(the last whole frame, bytes that are still to be kept). `frame_at(data, at)`: its length at an offset; 0 where
    there is none; -1 where there may be one once more bytes have come.
    """
    at, found = 0, None
    while at < len(data):
        size = frame_at(data, at)
        if size < 0:
            return found, bytes(data[at:])
        if size:
            found = bytes(data[at : at + size])
        at += size or 1
    return found, b""
