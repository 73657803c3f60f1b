"""Files and counters onto a board, and read back: what both flashing and restoring do.

The rule: what is right already is not written again, so a second try costs only what the first did not do.
"""

import hashlib
from collections.abc import Mapping

from firmware.bench.board import looking
from firmware.bench.board.backup import OF_IDENTITY, Backup
from firmware.bench.board.repl import Progress, Repl
from firmware.bench.trouble import BenchError
from firmware.bench.words import say


def clear(repl: Repl, wanted: set[str]) -> None:
    """Take away what belongs to another image."""
    for path in repl.files("/lib"):
        if path not in wanted:
            repl.remove(path)


def forget(repl: Repl, kept: Backup) -> None:
    """Take away what is left of the identity before, where erasing did not."""
    for path in repl.files():
        if path.startswith(OF_IDENTITY) and path not in kept.files:
            repl.remove(path)


def put_files(repl: Repl, files: Mapping[str, bytes], told: Progress) -> None:
    """Write what is not there yet."""
    there = repl.hashes(files)
    new = {path: data for path, data in files.items() if there[path] != hashlib.sha256(data).hexdigest()}
    done, of = 0, sum(len(data) for data in new.values()) or 1
    for path, data in sorted(new.items()):
        repl.write(path, data, lambda part, _of, before=done: told(before + part, of))  # type: ignore[misc]
        done += len(data)


def put_nvs(repl: Repl, values: Mapping[str, int | bytes]) -> None:
    there = looking.nvs_of(repl, list(values))
    new = {key: value for key, value in values.items() if there.get(key) != value}
    if not new:
        return
    if not looking.has_nvs(repl):
        raise BenchError(
            say(
                "the MicroPython at %s has no place for counters (esp32.NVS): flash the board first",
                "das MicroPython an %s hat keinen Platz für Zähler (esp32.NVS): die Karte erst flashen",
                repl.port,
            )
        )
    lines = ["import esp32", "_n = esp32.NVS('klimanetz')"]
    for key, value in new.items():
        lines.append(f"_n.{'set_i32' if isinstance(value, int) else 'set_blob'}({key!r}, {value!r})")
    repl.run("\n".join([*lines, "_n.commit()"]))


def check_files(repl: Repl, files: Mapping[str, bytes], nvs: Mapping[str, int | bytes]) -> None:
    """Read back: hashes by the board, NVS by its values. Raises BenchError."""
    there = repl.hashes(files)
    wrong = [path for path, data in files.items() if there[path] != hashlib.sha256(data).hexdigest()]
    told = looking.nvs_of(repl, list(nvs))
    wrong += [f"NVS {key}" for key, value in nvs.items() if told.get(key) != value]
    if wrong:
        raise BenchError(
            say(
                "%s did not arrive as sent; run it again, and if it stays so, take another board: nothing is lost",
                "%s kam nicht so an, wie gesendet; noch einmal, notfalls mit einer anderen Karte: verloren ist nichts",
                ", ".join(wrong[:3]),
            )
        )
