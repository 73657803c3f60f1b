"""What all frames of the binary wire format have in common: version, identity, and the error. Both interpreters.

Apart from the rest, so that a device reads an acknowledgement without the whole format in its memory.
"""

VERSION = 1
GENERATION_WIDTHS = (2, 6, 12, 32)
SEQ_WIDTHS = (12, 18, 24, 32)
SEQ_STEP_WIDTHS = (4, 10, 18, 32)  # of the step - 2 where a step of 1 has its own bit


class WireError(ValueError):
    """The bytes are no frame, or the readings do not fit one; the message says why."""
