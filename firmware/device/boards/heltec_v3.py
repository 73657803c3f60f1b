"""Heltec WiFi LoRa 32 V3: ESP32-S3FN8, SX1262 with a TCXO, lithium cell with charger, OLED (not used).

Sources: the maker's pin names in arduino-esp32 `variants/heltec_wifi_lora_32_V3/pins_arduino.h`; Vext, battery, TCXO
and RF switch in meshtastic/firmware `variants/esp32s3/heltec_v3/variant.h`; GPIO47 and 48 are not named there;
projects use them on the header, so compare the pin map that came with the board. Meshtastic says that there is a 32
kHz crystal; MicroPython as it is built does not use one, so it counts for nothing.
"""

NAME = "heltec_v3"
CHIP = "esp32s3"
FLASH_MB = 8

I2C = ((41, 42),)  # (sda, scl); the OLED has a bus of its own, 17 and 18
UART = ((47, 48),)  # (tx, rx); UART0 (43, 44) is the USB bridge and the REPL
ONEWIRE = (5,)
ADC = (2, 4)
PULSE = (6, 7)

RADIO = "sx1262"
SPI = (9, 10, 11)  # (sck, mosi, miso)
RADIO_PINS = {"cs": 8, "reset": 12, "busy": 13, "dio1": 14}
RADIO_OPTIONS = {"dio2_rf_sw": True, "dio3_tcxo_millivolts": 1800}

SENSOR_POWER = (36, 0)  # (pin, level that is on): Vext feeds the header's Ve pins, 3.3 V
# The 390k/100k divider is switched; V3.0 and V3.1 switch it on with a low level, V3.2 with a high one.
BATTERY = (1, 4.9, 2.5, 37)  # (pin, divider, attenuation dB, control pin or None)

RTC_CRYSTAL = False
DELIBERATE = ()  # pins that firmware/pins.py warns of and that are used all the same
