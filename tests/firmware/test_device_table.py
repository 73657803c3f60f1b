"""The device's table of quantities: the same names, the same wire format, a fraction of the heap and flash."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware import device_table
from firmware.image import compiler
from schemas import quantities
from tests.test_imports import DEVICE_HALF

ROOT = Path(__file__).resolve().parents[2]
HALF = ("__init__", *(name for name in DEVICE_HALF if name not in ("quantities", "topics")))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the device's half of `schemas`, its own table in it."""
    folder = tmp_path_factory.mktemp("device")
    (folder / "schemas").mkdir()
    for name in HALF:
        (folder / "schemas" / f"{name}.py").write_text((ROOT / "schemas" / f"{name}.py").read_text())
    (folder / "schemas" / "quantities.py").write_text(device_table.source())
    return folder


def run(interpreter: str, *arguments: str, path: str = ".frozen") -> str:
    done = subprocess.run(
        [interpreter, *arguments], capture_output=True, text=True, timeout=60, env={"MICROPYPATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_says_of_every_quantity_what_the_one_table_says() -> None:
    made: dict[str, object] = {}
    exec(device_table.source(), made)
    rows = made["QUANTITIES"]
    assert isinstance(rows, tuple)
    assert len(rows) == len(quantities.QUANTITIES)
    for row, q in zip(rows, quantities.QUANTITIES, strict=True):
        assert row._asdict() == {column: getattr(q, column) for column in device_table.COLUMNS}
    assert set(made["BY_NAME"]) == set(quantities.BY_NAME)  # type: ignore[call-overload]
    assert set(made["BY_WIRE_ID"]) == set(quantities.BY_WIRE_ID)  # type: ignore[call-overload]


def test_no_module_of_a_device_reads_another_column() -> None:
    """By the names of attributes: those that only a quantity has."""
    others = set(quantities.Quantity._fields) - set(device_table.COLUMNS)
    half = [ROOT / "schemas" / f"{name}.py" for name in HALF]
    for path in [*half, *(ROOT / "edge").rglob("*.py"), *(ROOT / "firmware" / "device").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in others, f"{path}:{node.lineno}: {node.attr} is not in COLUMNS"
            elif isinstance(node, ast.ImportFrom) and node.module == "schemas.quantities":
                known = {"Quantity", "QUANTITIES", "BY_NAME", "BY_WIRE_ID", *device_table.KINDS}
                assert {alias.name for alias in node.names} <= known, f"{path}:{node.lineno}"


@pytest.mark.parametrize("vectors", ["wire", "down", "status"])
def test_the_wire_vectors_hold_with_it(micropython: str, device: Path, vectors: str) -> None:
    script = ROOT / "tests" / "schemas" / f"run_{vectors}_vectors.py"
    file = ROOT / "schemas" / "vectors" / f"{vectors}_v1.json"
    with_it = run(micropython, str(script), str(device), str(file))
    assert with_it == run(micropython, str(script), str(ROOT), str(file))
    assert with_it.endswith(" checks\n")
    assert with_it.count("\n") == 1


def cost(micropython: str, source: str, folder: Path) -> tuple[int, int]:
    """Bytes of flash and of heap (64-bit words) that a table takes, compiled."""
    folder.mkdir()
    (folder / "table.py").write_text(source)
    subprocess.run([compiler(), "-o", folder / "table.mpy", folder / "table.py"], check=True, timeout=60)
    (folder / "table.py").unlink()
    code = "import gc, collections\ngc.collect()\nbefore = gc.mem_alloc()\nimport table\ngc.collect()\nprint(gc.mem_alloc() - before)"
    return (folder / "table.mpy").stat().st_size, int(run(micropython, "-c", code, path=f"{folder}:.frozen"))


def test_what_it_saves(micropython: str, tmp_path: Path) -> None:
    full = cost(micropython, (ROOT / "schemas" / "quantities.py").read_text(), tmp_path / "full")
    own = cost(micropython, device_table.source(), tmp_path / "own")
    page = " ".join((ROOT / "docs" / "device.md").read_text().split())
    told = re.search(r"saves ([\d,]+) bytes of flash and ([\d,]+) bytes of heap", page)
    assert told
    for said, before, after in zip(told.groups(), full, own, strict=True):
        saved = int(said.replace(",", ""))
        assert saved <= before - after < 1.2 * saved, (full, own)


if __name__ == "__main__":
    import tempfile

    for name, text in (("full", (ROOT / "schemas/quantities.py").read_text()), ("own", device_table.source())):
        print(name, cost(sys.argv[1], text, Path(tempfile.mkdtemp()) / name))
