"""What can be wrong with a sensor, as a code that a status carries."""

FAULTS = ("missing", "bus", "crc", "timeout", "range", "stuck", "self_test", "config")


class SensorFault(Exception):
    """`code`: one of FAULTS; `detail`: for people, may be empty."""

    def __init__(self, code, detail=""):
        super().__init__(code, detail)
        self.code, self.detail = code, detail
