"""Which generation a device counts in after a start. Pure.

The rule: `(device, generation, seq)` is one reading for ever. The count goes on wherever the outbox still holds its
last reading; where it does not, or where readings were counted that flash did not take, the generation rises by one.
"""


def generation(held, remembered, provisioned=1, certain=True):
    """`(generation, whether the count goes on)`.

    `held`: of the newest reading in the outbox, None where it is empty; `remembered`: what the chip's NVS says, None
    where it never was set; `provisioned`: what the technician gave the box; `certain`: False where a later reading
    may have been counted than the newest that is held (flash was full or is damaged, a segment is gone).
    """
    known = max([n for n in (held, remembered) if n is not None], default=None)
    if known is None:
        return provisioned, False
    if held == known and certain:
        return known, True
    return max(known + 1, provisioned), False
