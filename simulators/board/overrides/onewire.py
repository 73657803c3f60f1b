"""`onewire` of the simulated chip; what it does is in simulators.board.one_wire."""

from simulators.board.one_wire import OneWire, OneWireError
