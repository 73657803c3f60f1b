"""`machine` of the simulated chip; what it does is in simulators.board."""

from umachine import Signal

from simulators.board.pins import Pin
from simulators.board.power import (
    DEEPSLEEP_RESET,
    EXT0_WAKE,
    EXT1_WAKE,
    HARD_RESET,
    PIN_WAKE,
    PWRON_RESET,
    RTC,
    SOFT_RESET,
    TIMER_WAKE,
    TOUCHPAD_WAKE,
    ULP_WAKE,
    WDT,
    WDT_RESET,
    deepsleep,
    freq,
    idle,
    lightsleep,
    reset,
    reset_cause,
    soft_reset,
    unique_id,
    wake_reason,
)

_BUSES = ("ADC", "I2C", "SPI", "UART", "SoftI2C")


def __getattr__(name):
    """Buses are loaded when they are asked for: what a device does not use takes no room in its heap."""
    if name not in _BUSES:
        raise AttributeError(name)
    if name == "UART":
        from simulators.board.uart import UART

        return UART
    from simulators.board import buses

    return getattr(buses, name)
