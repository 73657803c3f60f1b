"""The modem through one transaction: sends when told, opens windows to the millisecond. MicroPython only.

The modem is one of micropython-lib's (lora-sync): frequencies in kHz, bandwidths in kHz, `recv` blocks for its time-out
and until a frame that has begun is over. Uplinks have a CRC and plain IQ, downlinks inverted IQ and no CRC, which the
header says. Sync word 0x34: a public network (RP002-1.0.4 section 2).
"""

import os
import time

from edge.lorawan.class_a import Done, Listen, Send
from edge.lorawan.eu868 import DATA_RATES

SYNC_WORD = 0x34
PREAMBLE = 8
ANTENNA_DBI = 2  # what an antenna adds, so that 16 dBm EIRP are 14 dBm into it
NAP_MS = 20000  # longest wait without feeding the watchdog
WAKE_MS = 3  # from configuring to listening


class Radio:
    """`modem`: see above. `feed()`: the watchdog's, while this waits. `tell(what, **facts)`: see telling.py."""

    def __init__(self, modem, feed, tell):
        self._modem, self._feed, self._tell = modem, feed, tell
        modem.configure(
            {
                "bw": 125, "coding_rate": 5, "preamble_len": PREAMBLE, "syncword": SYNC_WORD, "crc_en": True,
                "invert_iq_rx": True, "invert_iq_tx": False, "freq_khz": 868100, "sf": 12, "output_power": 14,
            }
        )  # fmt: skip
        self.ended = time.ticks_ms()  # the last transmission
        self.snr_db = 0

    def run(self, transaction, now_s, before, hear):
        """The Done of a transaction. `before(Send)` before each transmission, `hear(phy) -> (received, answered)`."""
        while True:
            step = transaction.step(now_s())
            if isinstance(step, Done):
                return step
            if isinstance(step, Send):
                before(step)
                self._send(transaction.phy, step)
                transaction.sent()
            elif isinstance(step, Listen):
                phy = self._listen(step)
                transaction.heard(*(hear(phy) if phy else (False, False)))
            else:
                self.pause(step.ms)

    def since_ms(self):
        """Milliseconds since the end of the last transmission."""
        return time.ticks_diff(time.ticks_ms(), self.ended)

    def pause(self, ms):
        while ms > 0:
            self._feed()
            time.sleep_ms(min(ms, NAP_MS))
            ms -= NAP_MS

    def sleep(self):
        self._modem.sleep()

    def _send(self, phy, step):
        self._modem.configure(self._channel(step, min(22, step.eirp_dbm - ANTENNA_DBI)))
        self.ended = self._modem.send(phy)
        self._say("sent", step, phy)

    def _listen(self, step):
        wait_ms = step.open_ms - self.since_ms()
        if wait_ms > WAKE_MS:
            self.pause(wait_ms - WAKE_MS)
        self._modem.configure(self._channel(step))
        late_ms = self.since_ms() - step.open_ms
        if late_ms < 0:
            time.sleep_ms(-late_ms)
            late_ms = 0
        if late_ms >= step.for_ms:
            return None
        packet = self._modem.recv(step.for_ms - late_ms)
        if packet is None:
            return None
        self.snr_db = (packet.snr or 0) // 4
        self._say("heard", step, packet, rssi_dbm=packet.rssi, snr_db=self.snr_db)
        return bytes(packet)

    def _say(self, what, step, phy, **more):
        kind = phy[0] >> 5 if phy else None
        self._tell(what, sf=DATA_RATES[step.dr].sf, hz=step.hz, bytes=len(phy), type=kind, **more)

    def _channel(self, step, power_dbm=None):
        rate = DATA_RATES[step.dr]
        khz = step.hz // 1000 if step.hz % 1000 == 0 else step.hz / 1000
        lora = {"freq_khz": khz, "sf": rate.sf, "bw": rate.bw_hz // 1000}
        if power_dbm is not None:
            lora["output_power"] = power_dbm
        return lora


def random(n):
    """A number below n that nobody can guess; two devices that start together differ."""
    return int.from_bytes(os.urandom(4), "little") % n
