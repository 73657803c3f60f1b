"""What goes wrong on the way to the broker: a short code for the status, words for a person, and whether it can pass.

MicroPython only.
"""


class Trouble(Exception):
    """`code`: wifi, dns, connect, tls, clock, login, broker, lost. `refused`: trying again soon does not help."""

    def __init__(self, code, detail="", refused=False):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.refused = refused
