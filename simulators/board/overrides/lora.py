"""micropython-lib's `lora` of the simulated chip; what it does is in simulators.board.modem."""

from simulators.board.modem import SX1261, SX1262, SX1276, SX1277, SX1278, SX1279, ConfigError, RxPacket
