"""The board: buses, radio, power and battery as objects, made when they are asked for and once.

The rule: nothing here waits without bound, and the pins stand in `boards/<name>.py` alone. Buses are called as the
configuration does: `i2c0`, `uart0`, `onewire0`, `adc0`, `pulse0`. `nvs` and `files` are handed in (store.py). Before
a deep sleep `before_sleep` sets what would leak: the sensors' rail goes off, and the radio's select and reset stay
high (an SX127x whose reset floats comes out of its sleep and takes 1.6 mA).
"""

import time

import machine

_I2C_HZ = 100_000
_I2C_TIMEOUT_US = 50_000  # an SCD4x may stretch the clock for 30 ms
_UART_BAUD = 9600
_UART_RX_BYTES = 256
_SPI_HZ = 2_000_000
_RAIL_SETTLE_MS = 20
_DIVIDER_SETTLE_MS = 10
_BATTERY_SAMPLES = 8
_HELD = ("cs", "reset")  # of the radio's pins, through deep sleep
_ATTENUATIONS = {0: 0, 2.5: 1, 6: 2, 11: 3}  # dB -> machine.ADC.ATTN_*

# How much the clock may be off that counts through deep sleep. ESP-IDF, "System Time": the internal RC oscillator,
# which MicroPython's builds use, follows the temperature. Seen: 20 minutes in 15 hours
# (espressif/arduino-esp32#7084), half an hour in ten (esp32.com). A crystal: 20 ppm of its own and as much for -20 to
# 60 °C.
RC_PPM = 50_000
CRYSTAL_PPM = 100


class BoardError(ValueError):
    """The board has no such bus, or none at all is of that name; the message says what there is."""


def definition(name):
    """The module with a board's pins."""
    try:
        return __import__("firmware.device.boards." + name, None, None, ("NAME",))
    except ImportError:
        raise BoardError("this image has no board '%s'" % name) from None


def _drive(number, level, hold):
    """An output that keeps its level through deep sleep, or does not any more."""
    return machine.Pin(number, machine.Pin.OUT, value=level, hold=hold)  # type: ignore[call-arg]


def _nothing():
    pass


def _untold(what, **facts):
    pass


class Board:
    """One board by its name."""

    def __init__(self, name, nvs=None, files=None):
        self.pins = definition(name)
        self.name = name
        self.chip = self.pins.CHIP
        self.orderly = False  # whether the last start ended as it meant to (unit.py)
        self.nvs = nvs
        self.files = files
        self.rtc_ppm = CRYSTAL_PPM if self.pins.RTC_CRYSTAL else RC_PPM
        self.wake_pins = self.pins.PULSE
        self.feed = _nothing  # the watchdog's, where there is one: for whoever waits long
        self.tell = _untold  # (what, **facts): see telling.py
        self._made = {}
        self._modem = None
        self._rail = None  # what the sensors' power was last set to

    def buses(self):
        """The names of all buses: what a configuration may say."""
        names = []
        for kind in ("i2c", "uart", "onewire", "adc", "pulse"):
            for n in range(len(getattr(self.pins, kind.upper()))):
                names.append("%s%d" % (kind, n))
        return names

    def bus(self, name):
        """The object of a bus by its name in the configuration."""
        kind = name.rstrip("0123456789")
        if name not in self.buses():
            raise BoardError("%s has no %s; it has %s" % (self.name, name, ", ".join(self.buses())))
        return getattr(self, kind)(int(name[len(kind) :]))

    def i2c(self, n=0):
        """machine.I2C."""
        sda, scl = self.bus_pins("i2c", n)
        return self._once("i2c", n, lambda: self._make_i2c(n, sda, scl))

    def unlock(self, name):
        """Whether an I2C bus was held low by a chip and is free now. Raises OSError where it does not come free."""
        n = int(name[3:])
        sda, scl = self.bus_pins("i2c", n)
        from firmware.device import bus

        if not bus.is_held(sda, scl):
            return False
        freed = bus.free(sda, scl)
        # The port has one object a bus, which drivers hold: making it anew gives the pins back to it.
        self._made[("i2c", n)] = self._make_i2c(n, sda, scl)
        if not freed:
            raise OSError("%s is held low" % name)
        return True

    def uart(self, n=0):
        """machine.UART at 9600 baud; a driver with another speed calls `init`."""
        tx, rx = self.bus_pins("uart", n)
        return self._once("uart", n, lambda: self._make_uart(n, tx, rx))

    def onewire(self, n=0):
        """onewire.OneWire."""
        pin = self.bus_pins("onewire", n)
        return self._once("onewire", n, lambda: self._make_onewire(pin))

    def adc(self, n=0):
        """machine.ADC over the whole range, up to about 3.1 V."""
        pin = self.bus_pins("adc", n)
        return self._once("adc", n, lambda: machine.ADC(machine.Pin(pin), atten=_ATTENUATIONS[11]))

    def pulse(self, n=0):
        """The Pin of a contact against ground; the pull-up is the chip's, where it has one. Who counts is pulses.py."""
        pin = self.bus_pins("pulse", n)
        return self._once("pulse", n, lambda: machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP))

    def bus_pins(self, kind, n):
        """GPIO numbers of a bus: `(sda, scl)`, `(tx, rx)`, or one."""
        pins = getattr(self.pins, kind.upper())
        if not 0 <= n < len(pins):
            raise BoardError("%s has no %s%d; it has %s" % (self.name, kind, n, ", ".join(self.buses())))
        return pins[n]

    def modem(self):
        """The radio as micropython-lib's lora-sync drives it."""
        if self._modem is None:
            pins = self.pins
            if pins.RADIO is None:
                raise BoardError('%s has no LoRa radio; set "radio" to "mqtt"' % self.name)
            import lora

            make = lora.SX1262 if pins.RADIO == "sx1262" else lora.SX1276
            sck, mosi, miso = pins.SPI
            spi = machine.SPI(1, baudrate=_SPI_HZ, sck=machine.Pin(sck), mosi=machine.Pin(mosi), miso=machine.Pin(miso))
            options = {name: machine.Pin(pin) for name, pin in pins.RADIO_PINS.items()}
            for name in _HELD:  # before_sleep held them
                options[name] = _drive(pins.RADIO_PINS[name], 1, False)
            cs = options.pop("cs")
            options.update(pins.RADIO_OPTIONS)
            self._modem = make(spi, cs, **options)
        return self._modem

    def sensor_power(self, on):
        """Switches the sensors' rail, where the board has one, and waits until it stands."""
        if self.pins.SENSOR_POWER is None or on is self._rail:
            return
        number, level = self.pins.SENSOR_POWER
        _drive(number, level if on else 1 - level, False)
        self._rail = on
        if on:
            time.sleep_ms(_RAIL_SETTLE_MS)

    def battery_v(self):
        """The cell's voltage, None where the board cannot tell."""
        if self.pins.BATTERY is None:
            return None
        number, divider, attenuation_db, control_pin = self.pins.BATTERY
        control = None
        if control_pin is not None:
            control = machine.Pin(control_pin, machine.Pin.IN)
            idle = control.value()  # the board's own resistor keeps the divider off: on is the other level
            control.init(machine.Pin.OUT, value=1 - idle)
            time.sleep_ms(_DIVIDER_SETTLE_MS)
        try:
            adc = machine.ADC(machine.Pin(number), atten=_ATTENUATIONS[attenuation_db])
            total_uv = 0
            for _ in range(_BATTERY_SAMPLES):
                total_uv += adc.read_uv()
        finally:
            if control is not None:
                control.init(machine.Pin.IN)
        return total_uv * divider / (_BATTERY_SAMPLES * 1_000_000)

    def before_sleep(self):
        """Leaves every pin so that nothing leaks in deep sleep. Call it last; the radio is asleep already."""
        self.sensor_power(False)
        held = False
        if self.pins.SENSOR_POWER is not None:
            number, level = self.pins.SENSOR_POWER
            _drive(number, 1 - level, True)
            held = True
        for name in _HELD:
            if name in self.pins.RADIO_PINS:
                _drive(self.pins.RADIO_PINS[name], 1, True)
                held = True
        if held:
            import esp32

            esp32.gpio_deep_sleep_hold(True)  # type: ignore[attr-defined]

    def _once(self, kind, n, make):
        made = self._made.get((kind, n))
        if made is None:
            made = self._made[(kind, n)] = make()
        return made

    def _make_i2c(self, n, sda, scl):
        return machine.I2C(n, sda=machine.Pin(sda), scl=machine.Pin(scl), freq=_I2C_HZ, timeout=_I2C_TIMEOUT_US)

    def _make_uart(self, n, tx, rx):
        return machine.UART(
            n + 1, baudrate=_UART_BAUD, tx=machine.Pin(tx), rx=machine.Pin(rx), rxbuf=_UART_RX_BYTES, timeout=0
        )

    def _make_onewire(self, pin):
        import onewire

        return onewire.OneWire(machine.Pin(pin))
