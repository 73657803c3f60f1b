"""Attempts to join, several in one exchange while they may follow soon. Loaded while they last. MicroPython only."""

from edge.lorawan import eu868
from edge.lorawan.budget import JOIN
from edge.lorawan.class_a import JOIN_CHANNELS, Transaction, join_windows
from edge.lorawan.device import Joined
from edge.lorawan.joining import Joining
from firmware.device.lora_radio import random

ATTEMPTS, PATIENCE_MS = 3, 30000  # in one exchange, and how long to wait for the next one


class Join:
    """`carrier` lends its device, memory, radio and budget; `dr`: the highest data rate."""

    def __init__(self, carrier, dr, kept):
        self._carrier, self._dr = carrier, dr
        self._joining = Joining(kept)
        self._answered = False

    def to_list(self):
        """What is to be kept until the next exchange."""
        return Joining().to_list() if self._answered else self._joining.to_list()

    def run(self, attempts, now_ms):
        """Up to so many attempts; whether one was answered. Raises FrameError when no nonce is left."""
        for _ in range(attempts):
            wait_ms = self._joining.wait_ms(now_ms(), random)
            if wait_ms > PATIENCE_MS:
                return False
            self._carrier.radio.pause(wait_ms)
            if self._attempt(now_ms):
                return True
        return False

    def _attempt(self, now_ms):
        carrier, dr = self._carrier, self._joining.data_rate(self._dr)
        device = carrier.device
        phy = device.join_request()
        carrier.memory.before_join(device)
        transaction = Transaction(phy, dr, JOIN_CHANNELS, join_windows, carrier.budget, random, lane=JOIN)

        def hear(phy):
            result = device.on_join_accept(phy)
            if not isinstance(result, Joined):
                carrier.unwelcome(result.reason)
                return False, False
            device.link.dr = dr
            carrier.joined()
            self._answered = True
            return True, True

        if carrier.run(transaction, JOIN, hear).times:
            self._joining.tried(eu868.airtime_us(len(phy), dr), now_ms(), random)
        return self._answered
