"""`klimanetz device …`: the technician's bench, and what a device is flashed with.

One module a command or two, put together here. What they do is in `firmware/bench/` and `firmware/image.py`; here are
options, words on the terminal and exit codes. German or English by LANG (`firmware.bench.words`).
"""

from typing import Any

import typer
from typer.core import TyperGroup

from firmware.bench.words import say
from klimanetz.cli.device import (
    demo,
    flashing,
    installing,
    keeping,
    making,
    monitoring,
    papers,
    protocols,
    provisioning,
    trips,
    verifying,
)
from klimanetz.failure import Failure

EXAMPLE = "Example: klimanetz device flash --board heltec_v3 --config config.json --port /dev/ttyUSB0"

STOPPED = 130  # by Ctrl-C


class Stoppable(TyperGroup):
    """Ctrl-C is an answer here: whoever pulls a cable or stops wants to know what that has cost."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):
            raise Failure(
                say(
                    "stopped; nothing is lost: run the same command again, it goes on from there",
                    "abgebrochen; verloren ist nichts: denselben Befehl noch einmal geben, er macht dort weiter",
                ),
                STOPPED,
            ) from None


app = typer.Typer(
    cls=Stoppable,
    help=say(
        "The measuring device on the bench: flash, provision, verify, swap.",
        "Das Messgerät auf der Werkbank: flashen, einrichten, prüfen, tauschen.",
    ),
    no_args_is_help=True,
    add_completion=False,
)
app.command("ports", epilog=flashing.PORTS_EXAMPLE)(flashing.list_ports)
app.command("fetch", epilog=flashing.FETCH_EXAMPLE)(flashing.fetch_images)
app.command("install", epilog=installing.INSTALL_EXAMPLE)(installing.install)
app.command("replace", epilog=installing.REPLACE_EXAMPLE)(installing.replace)
app.command("flash", epilog=flashing.FLASH_EXAMPLE)(flashing.flash)
app.command("backup", epilog=keeping.BACKUP_EXAMPLE)(keeping.backup)
app.command("restore", epilog=keeping.RESTORE_EXAMPLE)(keeping.restore)
app.command("rescue", epilog=keeping.RESCUE_EXAMPLE)(keeping.rescue)
app.command("provision", epilog=provisioning.EXAMPLE)(provisioning.provision)
app.add_typer(trips.app, name="manifest")
app.command("export", epilog=papers.EXPORT_EXAMPLE)(papers.export)
app.command("label", epilog=papers.LABEL_EXAMPLE)(papers.label)
app.command("verify", epilog=verifying.VERIFY_EXAMPLE, help=verifying.HELP)(verifying.verify)
app.command("monitor", epilog=monitoring.MONITOR_EXAMPLE, help=monitoring.HELP)(monitoring.monitor)
app.add_typer(protocols.app, name="protocol")
app.command("demo", epilog=demo.DEMO_EXAMPLE, help=demo.DEMO_HELP)(demo.demo)
app.command("image", epilog=making.IMAGE_EXAMPLE)(making.build_image)
app.command("energy", epilog=making.ENERGY_EXAMPLE)(making.show_energy)
