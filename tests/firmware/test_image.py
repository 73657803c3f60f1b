"""An image holds what its board and configuration need and no more, compiles wholly and runs under real MicroPython."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from firmware.contents import ImageError, board_pins, boards, closure
from firmware.image import build, read_config
from simulators.board.host import Chip

CHECKOUT = Path(__file__).resolve().parents[2]
AIR = {"chip": "sht4x", "bus": "i2c0"}
BROKER = {"mqtt": {"host": "broker.example", "ca": "ca.der"}, "wifi": {"ssid": "city"}}
CONFIG: dict[str, dict[str, Any]] = {
    "lorawan": {"interval_s": 900, "radio": "lorawan", "sensors": {"air": AIR}},
    "mqtt": {"interval_s": 900, "radio": "mqtt", "sensors": {"air": AIR}, **BROKER},
}
RADIOS = [
    (board, radio) for board in boards() for radio in CONFIG if radio == "mqtt" or board_pins(board).RADIO is not None
]


STAND_INS = {
    "firmware/device/lora": "import edge.lorawan.device\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, with a stand-in for each module that is not written yet."""
    copy = tmp_path_factory.mktemp("checkout")
    for package in ("edge", "schemas", "firmware"):
        shutil.copytree(CHECKOUT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in STAND_INS.items():
        path = copy / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(text)
    return copy


@pytest.mark.parametrize(("board", "radio"), RADIOS)
def test_every_image_compiles_and_holds_what_it_needs(root: Path, board: str, radio: str, tmp_path: Path) -> None:
    made = build(board, CONFIG[radio], tmp_path, "1.2.3", root=root)
    paths = [file.path for file in made.files]
    assert "/main.py" in paths
    assert f"/lib/firmware/device/boards/{board}.mpy" in paths
    assert [path for path in paths if "/boards/" in path] == [f"/lib/firmware/device/boards/{board}.mpy"]
    assert [path for path in paths if "/drivers/" in path] == ["/lib/firmware/device/drivers/sht4x.mpy"]
    assert ("/lib/firmware/device/lora.mpy" in paths) == (radio == "lorawan")
    assert ("/lib/firmware/device/mqtt.mpy" in paths) == (radio == "mqtt")
    assert any("/edge/lorawan/" in path for path in paths) == (radio == "lorawan")
    assert radio == "mqtt" or not any("/edge/mqtt/" in path for path in paths)
    assert not [path for path in paths if path.endswith("__init__.mpy")]
    assert b"Lufttemperatur" not in (tmp_path / "files/lib/schemas/quantities.mpy").read_bytes()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["total_bytes"] == sum(file["bytes"] for file in manifest["files"])
    for file in manifest["files"]:
        data = (tmp_path / "files" / file["path"][1:]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert sorted(paths) == sorted(
        "/" + path.relative_to(tmp_path / "files").as_posix()
        for path in (tmp_path / "files").rglob("*")
        if path.is_file()
    )
    packages = {"esp32": "lora-sx127x@0.1.2", "esp32s3": "lora-sx126x@0.1.6"}
    assert made.packages == (["lora-sync@0.1.1", packages[made.chip]] if radio == "lorawan" else [])
    assert [line for line in (tmp_path / "manifest.py").read_text().splitlines() if line.startswith("require")] == [
        'require("{}", version="{}")'.format(*package.split("@")) for package in made.packages
    ]
    assert (tmp_path / "files/main.py").read_text().endswith(f'main.run("{board}", "1.2.3")\n')


def test_the_same_input_makes_the_same_image(root: Path, tmp_path: Path) -> None:
    first = build("heltec_v3", CONFIG["lorawan"], tmp_path / "a", "1", root=root)
    elsewhere = shutil.copytree(root, tmp_path / "elsewhere")
    again = build("heltec_v3", CONFIG["lorawan"], tmp_path / "b", "1", root=elsewhere)
    assert first == again


def test_an_image_is_replaced_and_nothing_of_the_last_one_stays(root: Path, tmp_path: Path) -> None:
    build("heltec_v3", CONFIG["mqtt"], tmp_path, "1", root=root)
    build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", root=root)
    assert not (tmp_path / "files/lib/firmware/device/mqtt.mpy").exists()
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(ImageError, match=r"there is no driver for '\.\./main': one of"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", also=["../main"], root=root)
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "manifest.json", "manifest.py"]


def test_a_folder_that_is_not_ours_is_left_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "thesis.txt").write_text("years")
    with pytest.raises(ImageError, match="is no image of ours"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", root=root)
    assert (tmp_path / "files" / "thesis.txt").read_text() == "years"


def test_drivers_can_be_taken_along(root: Path, tmp_path: Path) -> None:
    made = build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", also=["bme280", "sht4x"], root=root)
    drivers = [file.path.split("/")[-1] for file in made.files if "/drivers/" in file.path]
    assert drivers == ["bme280.mpy", "sht4x.mpy"]


def sensors(them: Any) -> dict[str, Any]:
    return {"radio": "lorawan", "sensors": them}


@pytest.mark.parametrize(
    ("board", "config", "said"),
    [
        ("heltec_v9", CONFIG["lorawan"], "there is no board 'heltec_v9': one of esp32_c3"),
        ("esp32_c3", CONFIG["lorawan"], "esp32_c3 has no LoRa radio: set 'radio' to 'mqtt' or take another board"),
        ("heltec_v3", {}, "the configuration cannot be used on heltec_v3: radio is missing"),
        ("heltec_v3", {"radio": ["lorawan"]}, "radio: ['lorawan'] is not one of lorawan, mqtt"),
        ("heltec_v3", sensors([]), "sensors: [] is not an object"),
        ("heltec_v3", sensors({"a": 1}), "sensors.a: 1 is not an object"),
        ("heltec_v3", sensors({"a": {"bus": "i2c0"}}), "sensors.a.chip is missing"),
        ("heltec_v3", sensors({"a": AIR | {"chip": "bmp999"}}), "sensors.a.chip: 'bmp999' is none of battery"),
        ("heltec_v3", sensors({"a": AIR | {"bus": "i2c7"}}), "sensors.a.bus: 'i2c7' is none of i2c0, uart0"),
        ("heltec_v3", sensors({"a": AIR | {"bus": "uart0"}}), "sensors.a.bus: sht4x is on i2c, not on uart0"),
        ("heltec_v3", sensors({"a": AIR, "b": AIR}), "b measures air_temperature, and so does a"),
        ("heltec_v3", {"radio": "mqtt", "sensors": {"a": AIR}}, 'with "radio": "mqtt" there has to be "mqtt"'),
        ("lilygo_lora32", sensors({"a": {"chip": "rain", "bus": "pulse0"}}), "sensors.a.bus: 'pulse0' is none of i2c0"),
    ],
)
def test_what_cannot_be_built_is_said(
    root: Path, board: str, config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ImageError) as failed:
        build(board, config, tmp_path, "1", root=root)
    assert said in str(failed.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON"),
        ("[]", "is not a configuration"),
        (b"\xff\xfe", "is not JSON"),
    ],
)
def test_a_configuration_that_is_none_is_said(text: str | bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ImageError, match=said):
        read_config(path)


def tree(folder: Path, **sources: str) -> Path:
    for name, text in sources.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_imports_are_followed_wherever_they_hide(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        edge__a="def f():\n    if True:\n        from edge import b\n    import machine\n",
        edge__b="from edge.deep.c import name\n",
        edge__deep__c="import struct\nname = 1\n",
        edge__unused="",
    )
    assert closure(["edge.a"], frozenset(), root) == ["edge.a", "edge.b", "edge.deep.c"]


def test_the_other_carrier_does_not_come_along(tmp_path: Path) -> None:
    root = tree(tmp_path, edge__a="import edge.b\nimport edge.c\n", edge__b="", edge__c="")
    assert closure(["edge.a"], {"edge.c"}, root) == ["edge.a", "edge.b"]
    assert closure(["edge.a", "edge.c"], {"edge.c"}, root) == ["edge.a", "edge.b", "edge.c"]


def test_an_import_of_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"edge\.gone is imported and is not in"):
        closure(["edge.a"], frozenset(), tree(tmp_path, edge__a="import edge.gone\n"))


def test_a_module_that_micropython_cannot_compile_is_said(root: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(root, tmp_path / "broken")
    (broken / "edge/crypto.py").write_text("match 1:\n    case 1: pass\n")
    with pytest.raises(ImageError, match=r"edge/crypto\.py does not compile for MicroPython: SyntaxError"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path / "out", "1", root=broken)


@pytest.mark.parametrize(("board", "radio"), RADIOS)
def test_the_modules_of_an_image_import_under_micropython(
    micropython: str, root: Path, board: str, radio: str, tmp_path: Path
) -> None:
    """From the image and from nowhere else; `machine` and its like are the simulated chip's."""
    made = build(board, CONFIG[radio], tmp_path, "1", root=root)
    names = [f.path[len("/lib/") : -len(".mpy")].replace("/", ".") for f in made.files if f.path.endswith(".mpy")]
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nfor name in {names!r}:\n    __import__(name)\n    print(sys.modules[name].__file__)\n"
    )
    # How much heap it takes is in docs/device.md's table; here it is only whether everything is there.
    chip = Chip(tmp_path / "chip", micropython, code=tmp_path / "files" / "lib", heap_kib=512)
    files = chip.start(script).split()
    assert len(files) == made.mpy_files
    assert all(file.startswith(str(tmp_path / "files")) and file.endswith(".mpy") for file in files), files
