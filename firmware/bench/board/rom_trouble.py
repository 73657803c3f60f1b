"""What esptool's errors mean and what helps, in one sentence each.

Sources: Espressif, "esptool, Troubleshooting" and "Boot Mode Selection"; what users met (espressif/esptool#949, #925,
#961: strapping pins pulled by what is attached; esphome/esp-web-tools#118, #622: no board in its boot mode).
"""

import errno

from serial import SerialException

from firmware.bench.board import serial_trouble
from firmware.bench.trouble import BenchError, CableOut, Silent
from firmware.bench.words import say

_BUTTON = (
    "hold BOOT, press and release RESET, release BOOT, then try again",
    "BOOT gedrückt halten, RESET kurz drücken, BOOT loslassen, dann noch einmal",
)


def of(port: str, error: Exception) -> BenchError:
    """The sentence for an error of esptool or of the port below it."""
    if isinstance(error, BenchError):
        return error
    text = " ".join(str(error).split())
    if "Wrong boot mode" in text:
        return Silent(
            say(
                "the board at %s is not in its loader: " + _BUTTON[0] + "; if that does not help, take off what is"
                " attached to its boot pins",
                "die Karte an %s ist nicht im Ladeprogramm: " + _BUTTON[1] + "; hilft das nicht, abnehmen, was an ihren"
                " Boot-Pins hängt",
                port,
            )
        )
    if "No serial data received" in text or "Failed to connect" in text:
        return Silent(
            say(
                "no ESP32 answers at %s: " + _BUTTON[0] + "; also try a cable that carries data",
                "an %s antwortet kein ESP32: " + _BUTTON[1] + "; auch ein Kabel versuchen, das Daten überträgt",
                port,
            )
        )
    if "MD5" in text or ("does not match" in text.lower() and "flash" in text.lower()):
        return BenchError(
            say(
                "what was written to the board at %s reads back otherwise; run it again, and if it stays so, this"
                " board's flash is worn out: take another",
                "was auf die Karte an %s geschrieben wurde, liest sich anders zurück; noch einmal versuchen, und bleibt"
                " es so, ist ihr Speicher verbraucht: eine andere nehmen",
                port,
            )
        )
    if isinstance(error, OSError) and (isinstance(error, SerialException) or error.errno not in (None, errno.ENOTTY)):
        return serial_trouble.lost(port, error)
    return CableOut(
        say(
            "the board at %s stopped answering (%s); plug it in again, with a shorter cable or `--baud 115200`, and run"
            " the same command: it goes on from there",
            "die Karte an %s antwortet nicht mehr (%s); neu anstecken, mit kürzerem Kabel oder `--baud 115200`, und"
            " denselben Befehl noch einmal geben: er macht dort weiter",
            port,
            text[:90],
        )
    )
