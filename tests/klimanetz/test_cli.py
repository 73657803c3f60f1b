"""The command line as people and scripts meet it: answers, errors of one sentence, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cloud.ingest.message import Message
from klimanetz.cli import app
from tests.cloud import ingest_parts

PROGRAM = Path(sys.executable).parent / "klimanetz"
STATIONS = "station,name,latitude,longitude\nmarktplatz,Marktplatz,51.4828,11.9697\n"
DEVICES = "device,station,activation\nkn-0007,marktplatz,mqtt\n"


class Shell:
    """A folder to work in, and the program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("KLIMANETZ_")}
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=kept | {"COLUMNS": "100"} | environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "stations.csv").write_text(STATIONS)
    (tmp_path / "devices.csv").write_text(DEVICES)
    return Shell(tmp_path)


def failed(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The sentence of a failure: on stderr, without a stack trace."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_registry_files_there_and_back(shell: Shell) -> None:
    assert shell.json("stations", "import", "stations.csv") == {"added": 1, "changed": 0, "unchanged": 0}
    assert shell.json("stations", "import", "stations.csv") == {"added": 0, "changed": 0, "unchanged": 1}
    assert "1 added, 0 changed, 0 unchanged in sqlite://" in shell("devices", "import", "devices.csv").stdout
    (device,) = shell.json("devices", "list")
    assert (device["device"], device["station"], device["codec"]) == ("kn-0007", "marktplatz", "klimanetz")
    (stay,) = shell.json("deployments", "list")
    assert (stay["station"], stay["to"]) == ("marktplatz", None)
    for what in ("stations", "devices", "deployments"):
        (shell.folder / "again.csv").write_text(shell(what, "export").stdout)
        assert shell.json(what, "import", "again.csv")["unchanged"] == 1
    assert "kn-0007" in shell("devices", "list").stdout


def test_what_gave_way_to_a_file_is_said(shell: Shell) -> None:
    shell("stations", "import", "stations.csv")
    shell("devices", "import", "devices.csv")
    (shell.folder / "past.csv").write_text("station,device,from,to\nmarktplatz,kn-0007,2025-01-01,2025-02-01\n")
    done = shell.json("deployments", "import", "past.csv")
    assert done["gave_way"] == ["'kn-0007' at 'marktplatz' begins 2025-01-31T23:00:00Z now, where the file's stays end"]
    assert [stay["to"] for stay in shell.json("deployments", "list")] == ["2025-01-31T23:00:00Z", None]
    assert "gave_way" not in shell.json("deployments", "import", "past.csv")


def test_bad_rows_are_named(shell: Shell) -> None:
    (shell.folder / "bad.csv").write_text(STATIONS + "x y,X,1,2\nz,Z,north,2\n")
    said = failed(shell("stations", "import", "bad.csv"), 1)
    assert "bad.csv was refused, nothing was changed; mend 2 rows:" in said
    assert "line 3: station: " in said
    assert "line 4: latitude is 'north', not a number" in said
    answer = json.loads(shell("stations", "import", "bad.csv", "--json").stdout)
    assert [row["line"] for row in answer["rows"]] == [3, 4]
    assert shell.json("stations", "list") == []


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "says"),
    [
        (("stations", "import", "gone.csv"), {}, 2, "gone.csv cannot be read: No such file"),
        (("stations", "export"), {}, 1, "there is no registry yet at sqlite:///"),
        (("stations", "list"), {"KLIMANETZ_STOER": "x"}, 2, "KLIMANETZ_STOER is not a setting"),
        (("stations", "list"), {"KLIMANETZ_REGISTRY": "mysql://x"}, 2, "KLIMANETZ_REGISTRY is 'mysql://x': use sqlite"),
        (("keys", "create", "--scope", "read"), {"KLIMANETZ_REGISTRY": "sqlite:////proc/x/r.db"}, 1, "cannot be made"),
        (
            ("stations", "list"),
            {"KLIMANETZ_REGISTRY": "postgresql://host:port/x"},
            2,
            "address cannot be read: use postgresql",
        ),
        (("dead-letters", "show", "7"), {}, 1, "there is no dead letter 7"),
        (("dead-letters", "replay"), {}, 2, "name the letters by ID, or say --all"),
        (("unknown", "adopt", "kn-9", "--station", "gone"), {}, 1, "station 'gone' is not registered"),
        (("payload", "decode", "zz"), {}, 2, "this is not hexadecimal"),
        (("payload", "encode", "co2=4", "--age", "5", "--time", "2026-01-01T00:00Z"), {}, 2, "--time and --age"),
        (("demo", "--data", "stations.csv"), {}, 2, "is a file; name a folder"),
        (("ingest",), {"KLIMANETZ_STORE": "influxdb://127.0.0.1:1/o/b"}, 2, "KLIMANETZ_INFLUX_TOKEN"),
        (("api",), {"KLIMANETZ_STORE": "influxdb://127.0.0.1:1/o/b"}, 2, "KLIMANETZ_INFLUX_TOKEN"),
        (("api",), {"KLIMANETZ_STORE": "influxdb://127.0.0.1:x/o/b"}, 2, "has a port that is none"),
        (("stations", "list"), {"KLIMANETZ_REGISTRY": "sqlite:///:memory:"}, 2, "in memory would be lost"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    shell: Shell, arguments: tuple[str, ...], environment: dict[str, str], code: int, says: str
) -> None:
    assert says in failed(shell(*arguments, **environment), code)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("demo --stations 0", "invalid value for '--stations': use at least 1; `klimanetz demo --help` shows how"),
        ("demo --port 65536", "invalid value for '--port': use at most 65535; `klimanetz demo --help` shows how"),
        ("demo --stations x", "invalid value for '--stations': use a whole number; `klimanetz demo --help` shows how"),
        ("demo --history x", "invalid value for '--history': use a number; `klimanetz demo --help` shows how"),
        (
            "keys create --scope god",
            "invalid value for '--scope': 'god' is not one of 'read', 'write', 'admin'; `klimanetz keys create --help`",
        ),
        ("keys create", "option '--scope' is missing: one of read, write, admin; `klimanetz keys create --help`"),
        ("stations import", "argument 'FILE.csv' is missing; `klimanetz stations import --help` shows how"),
        ("stations list --foo", "no such option: --foo; `klimanetz stations list --help` shows how"),
        ("nix", "no such command 'nix'; `klimanetz --help` shows how"),
        ("keys creat", "no such command 'creat', perhaps 'create'; `klimanetz keys --help` shows how"),
        ("devices export x", "got unexpected extra argument(s) (x); `klimanetz devices export --help` shows how"),
        (
            "lorawan decode 00 --app-key zz",
            "invalid value for '--app-key': a key is 32 hex digits, and this is not hexadecimal;",
        ),
        ("dead-letters show x", "invalid value for 'ID': use a whole number; `klimanetz dead-letters show --help`"),
    ],
)
def test_wrong_use_is_one_sentence(shell: Shell, arguments: str, sentence: str) -> None:
    done = shell(*arguments.split())
    said = failed(done, 2)
    assert (said.count("\n"), done.stdout) == (1, "")
    assert said.startswith(f"klimanetz: {sentence}")


@pytest.mark.parametrize("command", ["demo", "stations list", "payload encode", "lorawan decode", "unknown adopt"])
def test_every_command_says_wrong_use_the_same_way(shell: Shell, command: str) -> None:
    said = failed(shell(*command.split(), "--no-such"), 2)
    assert said == f"klimanetz: no such option: --no-such; `klimanetz {command} --help` shows how\n"


def test_a_group_without_a_command_shows_its_help(shell: Shell) -> None:
    done = shell("stations")
    assert done.returncode == 2
    assert "import" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


LISTS = (
    ("stations", "list"),
    ("devices", "list"),
    ("deployments", "list"),
    ("dead-letters", "list"),
    ("unknown", "list"),
)


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_list_of_nothing_is_no_failure_and_makes_nothing(shell: Shell, command: tuple[str, ...]) -> None:
    done = shell(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert "there is no registry yet at sqlite:///" in done.stdout
    assert "`klimanetz stations import FILE.csv` makes one" in done.stdout
    assert shell.json(*command) == []
    for other in (("devices", "export"), ("dead-letters", "show", "1"), ("dead-letters", "replay", "--all")):
        failed(shell(*other), 1)
    assert not (shell.folder / "data").exists()
    shell("keys", "create", "--scope", "read")  # now there is one, and it is empty
    done = shell(*command)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert "no registry" not in done.stdout
    assert shell.json(*command) == []


def test_postgresql_without_its_driver(shell: Shell) -> None:
    away = "raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')\n"
    (shell.folder / "psycopg.py").write_text(away)
    done = shell("stations", "list", KLIMANETZ_REGISTRY="postgresql://127.0.0.1:1/x", PYTHONPATH=str(shell.folder))
    assert "pip install 'klimanetz[postgresql]'" in failed(done, 1)


def test_lists_in_a_pipe_are_whole(shell: Shell) -> None:
    name = "device-with-a-long-name-" + "x" * 40
    (shell.folder / "stations.csv").write_text(STATIONS.replace("Marktplatz", '"[/red] ' + "Platz " * 30 + '"'))
    (shell.folder / "devices.csv").write_text(
        f"device,station,dev_eui,join_eui,codec\n{name},marktplatz,70b3d57ed0000001,70b3d57ed0000000,dragino/lse01\n"
    )
    shell("stations", "import", "stations.csv")
    shell("devices", "import", "devices.csv")
    header, row = shell("devices", "list", COLUMNS="40").stdout.splitlines()
    assert header.split() == ["device", "station", "activation", "dev_eui", "join_eui", "codec"]
    assert row.split() == [name, "marktplatz", "otaa", "70b3d57ed0000001", "70b3d57ed0000000", "dragino/lse01"]
    _, row = shell("stations", "list", COLUMNS="40").stdout.splitlines()
    assert ("[/red] " + "Platz " * 30).strip() in row


def test_only_what_sends_can_be_adopted(shell: Shell) -> None:
    shell("stations", "import", "stations.csv")
    parts = ingest_parts.make(shell.folder, registry_url=f"sqlite:///{shell.folder / 'data' / 'registry.db'}")
    parts.take(ingest_parts.message(ingest_parts.reading("kn-9"), device="kn-9"))
    said = failed(shell("unknown", "adopt", "kn-10", "--station", "marktplatz"), 1)
    assert "nothing has come from 'kn-10'; `klimanetz unknown list` shows who sends" in said
    assert "`klimanetz devices import`" in said
    assert "'kn-9' stands at 'marktplatz'" in shell("unknown", "adopt", "kn-9", "--station", "marktplatz").stdout
    assert {"kn-9"} <= {device["device"] for device in shell.json("devices", "list")}
    assert "kn-10" not in shell("devices", "list").stdout


def test_dead_letters_show_whatever_a_stranger_sent(shell: Shell) -> None:
    """Nothing at all, what looks like markup, what would clear the terminal."""
    shell("stations", "import", "stations.csv")
    parts = ingest_parts.make(shell.folder, registry_url=f"sqlite:///{shell.folder / 'data' / 'registry.db'}")
    payloads = [b"", b'{"device": "[/red]"}', b"\x1b[2J"]
    parts.take(*[Message("klimanetz/v1/up/d19", payload, ingest_parts.NOW_MS) for payload in payloads])
    listed = shell("dead-letters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "'[/red]'" in listed.stdout
    assert [letter["payload"] for letter in shell.json("dead-letters", "list")] == ["\x1b[2J", payloads[1].decode(), ""]
    assert "\\x1b[2J" in shell("dead-letters", "show", "3").stdout
    for number in ("1", "2", "3"):
        done = shell("dead-letters", "show", number)
        assert (done.returncode, "\x1b" in done.stdout) == (0, False)


def test_a_port_in_use(shell: Shell) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = failed(shell("api", KLIMANETZ_HTTP_LISTEN=f"127.0.0.1:{port}"), 1)
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use; set KLIMANETZ_HTTP_LISTEN" in said
        said = failed(shell("demo", "--port", str(port)), 1)
        assert f"port {port} cannot be used: Address already in use; choose another with --port" in said
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "KLIMANETZ_UDP_LISTEN" in failed(shell("gateway", KLIMANETZ_UDP_LISTEN=listen), 1)


def test_keys_open_what_is_closed(shell: Shell) -> None:
    key = shell.json("keys", "create", "--scope", "admin")["key"]
    assert len(key) > 30
    assert key not in (shell.folder / "data" / "registry.db").read_bytes().decode("latin-1")


def test_every_command_has_help_with_an_example() -> None:
    def walk(command: Any, path: str) -> int:
        if hasattr(command, "commands"):
            assert "Example: " in (command.epilog or ""), f"{path} --help shows no example"
            return sum(walk(inner, f"{path} {name}") for name, inner in command.commands.items())
        assert command.help, f"{path} --help says nothing"
        assert "Example: " in (command.epilog or ""), f"{path} --help shows no example"
        return 1

    assert walk(typer.main.get_command(app), "klimanetz") >= 20
    shown = subprocess.run([PROGRAM, "keys", "create", "--help"], capture_output=True, text=True, check=True).stdout
    assert "Example: klimanetz keys create --scope write" in shown
