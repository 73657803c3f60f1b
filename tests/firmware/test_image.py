"""An image holds what its board and configuration need and no more, compiles wholly and runs under real MicroPython."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from firmware.contents import ImageError, closure, roots
from firmware.image import build, read_config
from tests.firmware.images import AIR, CONFIG, RADIOS, VERSION, built, imported

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy that may be broken."""
    for package in ("edge", "schemas", "firmware"):
        shutil.copytree(CHECKOUT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


@pytest.mark.parametrize(("board", "radio"), RADIOS)
def test_every_image_compiles_and_holds_what_it_needs(board: str, radio: str) -> None:
    out, made = built(board, radio)
    paths = [file.path for file in made.files]
    assert "/main.py" in paths
    assert f"/lib/firmware/device/boards/{board}.mpy" in paths
    assert [path for path in paths if "/boards/" in path] == [f"/lib/firmware/device/boards/{board}.mpy"]
    assert [path for path in paths if "/drivers/" in path] == ["/lib/firmware/device/drivers/bme280.mpy"]
    assert ("/lib/firmware/device/lora.mpy" in paths) == (radio == "lorawan")
    assert ("/lib/firmware/device/mqtt.mpy" in paths) == (radio == "mqtt")
    assert any("/edge/lorawan/" in path for path in paths) == (radio == "lorawan")
    assert radio == "mqtt" or not any("/edge/mqtt/" in path for path in paths)
    assert not [path for path in paths if path.endswith("__init__.mpy")]
    assert b"Lufttemperatur" not in (out / "files/lib/schemas/quantities.mpy").read_bytes()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["total_bytes"] == sum(file["bytes"] for file in manifest["files"])
    for file in manifest["files"]:
        data = (out / "files" / file["path"][1:]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert sorted(paths) == sorted(
        "/" + path.relative_to(out / "files").as_posix() for path in (out / "files").rglob("*") if path.is_file()
    )
    packages = {"esp32": "lora-sx127x@0.1.2", "esp32s3": "lora-sx126x@0.1.6"}
    assert made.packages == (["lora-sync@0.1.1", packages[made.chip]] if radio == "lorawan" else [])
    assert [line for line in (out / "manifest.py").read_text().splitlines() if line.startswith("require")] == [
        'require("{}", version="{}")'.format(*package.split("@")) for package in made.packages
    ]
    assert (out / "files/main.py").read_text().endswith(f'main.run("{board}", "{VERSION}")\n')


@pytest.mark.parametrize(
    ("board", "chip", "sleep", "there"),
    [("heltec_v3", "wind", "deep", True), ("esp32_devkit", "wind", "light", True), ("esp32_c3", "wind", "deep", False),
     ("heltec_v3", "wind", "awake", False), ("heltec_v3", "rain", "deep", False)],
)  # fmt: skip
def test_the_ulp_is_in_an_image_where_it_counts(board: str, chip: str, sleep: str, there: bool) -> None:
    config = CONFIG["mqtt"] | {"sleep": sleep, "sensors": {"contact": {"chip": chip, "bus": "pulse0"}}}
    found = closure(roots(board, config))
    assert ("firmware.device.ulp" in found) == ("edge.ulp.counting" in found) == ("edge.ulp.words" in found) == there


def test_the_same_input_makes_the_same_image(checkout: Path, tmp_path: Path) -> None:
    assert build("heltec_v3", CONFIG["lorawan"], tmp_path, VERSION, root=checkout) == built("heltec_v3", "lorawan")[1]


def test_an_image_is_replaced_and_nothing_of_the_last_one_stays(tmp_path: Path) -> None:
    build("heltec_v3", CONFIG["mqtt"], tmp_path, "1")
    build("heltec_v3", CONFIG["lorawan"], tmp_path, "1")
    assert not (tmp_path / "files/lib/firmware/device/mqtt.mpy").exists()
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(ImageError, match=r"there is no driver for '\.\./main': one of"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", also=["../main"])
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "manifest.json", "manifest.py"]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "thesis.txt").write_text("years")
    with pytest.raises(ImageError, match="is no image of ours"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path, "1")
    assert (tmp_path / "files" / "thesis.txt").read_text() == "years"


def test_drivers_can_be_taken_along(tmp_path: Path) -> None:
    made = build("heltec_v3", CONFIG["lorawan"], tmp_path, "1", also=["sht4x", "bme280"])
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
        ("heltec_v3", sensors({"a": AIR | {"bus": "uart0"}}), "sensors.a.bus: bme280 is on i2c, not on uart0"),
        ("heltec_v3", sensors({"a": AIR, "b": AIR}), "b measures air_temperature, and so does a"),
        ("heltec_v3", {"radio": "mqtt", "sensors": {"a": AIR}}, 'with "radio": "mqtt" there has to be "mqtt"'),
        ("lilygo_lora32", sensors({"a": {"chip": "rain", "bus": "pulse0"}}), "sensors.a.bus: 'pulse0' is none of i2c0"),
    ],
)
def test_what_cannot_be_built_is_said(board: str, config: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as failed:
        build(board, config, tmp_path, "1")
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


def test_what_is_loaded_by_its_name_is_there_too(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        edge__a='with Loaded("edge.b") as b: pass\n__import__("edge.c", None, None, ("*",))\nprint("edge.nothing", "edge.")\n',
        edge__b="",
        edge__c="",
        edge__d="",
    )
    assert closure(["edge.a"], frozenset(), root) == ["edge.a", "edge.b", "edge.c"]
    assert closure(["edge.a"], {"edge.c"}, root) == ["edge.a", "edge.b"]


def test_the_other_carrier_does_not_come_along(tmp_path: Path) -> None:
    root = tree(tmp_path, edge__a="import edge.b\nimport edge.c\n", edge__b="", edge__c="")
    assert closure(["edge.a"], {"edge.c"}, root) == ["edge.a", "edge.b"]
    assert closure(["edge.a", "edge.c"], {"edge.c"}, root) == ["edge.a", "edge.b", "edge.c"]


def test_an_import_of_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"edge\.gone is imported and is not in"):
        closure(["edge.a"], frozenset(), tree(tmp_path, edge__a="import edge.gone\n"))


def test_a_module_that_micropython_cannot_compile_is_said(checkout: Path, tmp_path: Path) -> None:
    (checkout / "edge/crypto.py").write_text("match 1:\n    case 1: pass\n")
    with pytest.raises(ImageError, match=r"edge/crypto\.py does not compile for MicroPython: SyntaxError"):
        build("heltec_v3", CONFIG["lorawan"], tmp_path / "out", "1", root=checkout)


@pytest.mark.parametrize(("board", "radio"), RADIOS)
def test_the_modules_of_an_image_import_under_micropython(micropython: str, board: str, radio: str) -> None:
    """From the image and from nowhere else."""
    out, made = built(board, radio)
    files, _ = imported(board, radio)
    assert len(files) == made.mpy_files
    assert all(file.startswith(str(out / "files")) and file.endswith(".mpy") for file in files), files
