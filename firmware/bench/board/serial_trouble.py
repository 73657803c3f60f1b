"""What a serial port's errors mean and what helps, in one sentence each."""

import errno
import sys

from firmware.bench.trouble import BenchError, Busy, CableOut, Silent, WrongUse
from firmware.bench.words import say


def not_opened(port: str, error: Exception) -> BenchError:
    """The port could not be opened."""
    text, number = str(error), getattr(error, "errno", None)
    if number == errno.EACCES or "Permission denied" in text or "PermissionError" in text:
        if sys.platform == "win32":  # a port that somebody has is "access denied" there
            return busy(port)
        return BenchError(
            say(
                "you may not use %s; run `sudo usermod -aG dialout $USER`, log out and in again",
                "%s darf nicht benutzt werden; `sudo usermod -aG dialout $USER` ausführen und neu anmelden",
                port,
            )
        )
    if isinstance(error, BlockingIOError) or number == errno.EBUSY or "busy" in text or "exclusively lock" in text:
        return busy(port)
    return WrongUse(
        say(
            "there is no board at %s; is its cable one that carries data, and is the driver there (CP210x, CH340)?"
            " `klimanetz device ports` shows what there is",
            "an %s ist keine Karte; überträgt das Kabel auch Daten, und ist der Treiber installiert (CP210x, CH340)?"
            " `klimanetz device ports` zeigt, was da ist",
            port,
        )
    )


def busy(port: str) -> BenchError:
    """Somebody else has it open."""
    return Busy(
        say(
            "%s is in use by another program; close its terminal or serial monitor, then try again",
            "%s wird von einem anderen Programm benutzt; dessen Terminal oder seriellen Monitor schließen, dann noch"
            " einmal",
            port,
        )
    )


def lost(port: str, error: Exception) -> BenchError:
    """It was there and does not answer any more."""
    return CableOut(
        say(
            "the board at %s went away (%s); plug it in again and run the same command, which goes on from there",
            "die Karte an %s ist weg (%s); wieder anstecken und denselben Befehl noch einmal geben",
            port,
            _short(error),
        )
    )


def silent(port: str) -> BenchError:
    """No prompt of MicroPython."""
    return Silent(
        say(
            "no MicroPython answers at %s; press the board's RESET button and try again, or flash it",
            "an %s antwortet kein MicroPython; RESET an der Karte drücken und noch einmal versuchen, oder flashen",
            port,
        )
    )


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:80] if text else type(error).__name__
