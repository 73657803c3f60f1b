"""What a simulated board has lived through, and whether all of it is still there."""

import json
from datetime import UTC, datetime

from firmware.bench.board import looking
from firmware.bench.board.backup import IDENTITY as IDENTITY_FILE
from firmware.bench.board.backup import OUTBOX, Backup
from firmware.bench.board.repl import Repl
from tests.firmware.bench.laptop import IDENTITY

NVS = {"lw_nonce": 41, "boots": 3, "generation": 2, "segment": 1}


def lived(port: str) -> Backup:
    """Give a flashed board an identity, counters and readings that nobody has heard yet; what is on it then."""
    with Repl(port) as repl:
        repl.write(IDENTITY_FILE, json.dumps(IDENTITY).encode())
        repl.run("import esp32\n_n = esp32.NVS('klimanetz')")
        for key, value in NVS.items():
            repl.run(f"_n.set_i32({key!r}, {value})")
        repl.run("_n.set_blob('lw_count', b'123456789012')\n_n.commit()")
        repl.write("/lorawan.json", b'{"dev_nonce": 41}')
        repl.run(
            "import sys\nsys.path.append('/lib')\nfrom edge.outbox.outbox import Outbox\n"
            "from firmware.device.store import Files\nfrom schemas.wire import WireReading\n"
            "o = Outbox(Files('/outbox'))\no.begin(2, False)\n"
            "for n in range(5):\n"
            " o.put(WireReading(0, 0, 1790000000 + n, None, 'ntp', 1, {'air_temperature': n / 10}, 0), 3, n)\n"
        )
        return looked(repl)


def looked(repl: Repl) -> Backup:
    return looking.by_repl(repl, datetime.now(UTC)).backup


def has_all_of(after: Backup, before: Backup) -> None:
    """The board may have lived on; it may not have lost anything or counted back."""
    for path, data in before.files.items():
        if path.startswith(OUTBOX) and path != "/outbox/state":
            assert after.files[path].startswith(data), path
    assert after.files[IDENTITY_FILE] == before.files[IDENTITY_FILE]
    assert after.unsent >= before.unsent
    for key, value in before.nvs.items():
        now = after.nvs[key]
        assert now >= value if isinstance(value, int) and isinstance(now, int) else now == value, key
