"""Who may import whom (docs/architecture.md). A broken rule fails here with the line that breaks it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "edge", "firmware", "gateway", "cloud", "simulators", "klimanetz", "tests")
MAY_IMPORT = {
    "schemas": {"schemas"},
    "edge": {"edge", "schemas"},
    "firmware": {"firmware", "edge", "schemas"},
    "gateway": {"gateway", "edge", "schemas"},
    "cloud": {"cloud", "schemas"},
    "simulators": {"simulators", "edge", "schemas"},
    "klimanetz": {"klimanetz", "schemas", "edge", "gateway", "cloud", "simulators", "firmware"},
    "tests": set(PACKAGES),
}
# Runs on a device: of the standard library only what MicroPython has, and of `schemas` only this half.
DEVICE_HALF = (
    "quantities",
    "channels",
    "topics",
    "wire",
    "wire_base",
    "wire_fields",
    "wire_down",
    "status",
    "wire_status",
    "bits",
)
ON_DEVICE = {
    "collections",
    "struct",
    "binascii",
    "hashlib",
    "cryptolib",
    "math",
    "time",
    "json",
    "os",
    "gc",
    "micropython",
}
# Around the chip there is also its hardware, network and drivers (`lora` and `onewire` come with MicroPython's
# library).
AROUND_THE_CHIP = ON_DEVICE | {
    "asyncio", "errno", "esp32", "io", "lora", "machine", "network", "onewire", "random", "select", "socket", "ssl",
    "sys", "tls", "vfs",
}  # fmt: skip
# A pure core: no socket, no clock, no chance, no settings. The shells around it are named.
PURE = (
    "schemas", "edge", "gateway", "schemas/intervals.py", "cloud/judge.py", "cloud/calendar.py",
    "cloud/time_text.py", "cloud/series.py", "cloud/counters.py", "cloud/shares.py", "cloud/accumulators.py",
    "cloud/registry/files.py", "cloud/registry/deployments.py",
    "cloud/ingest/message.py", "cloud/ingest/decode.py", "cloud/ingest/salvage.py", "cloud/ingest/json_items.py",
    "cloud/ingest/refusal.py", "cloud/ingest/sort.py", "cloud/ingest/place.py",
    "cloud/transfer/rows.py", "cloud/transfer/times.py", "cloud/transfer/series_names.py", "cloud/transfer/csv_text.py",
    "cloud/transfer/long_csv.py", "cloud/transfer/dwd_tables.py", "cloud/transfer/dwd_meta.py",
    "cloud/transfer/dwd_product.py", "cloud/transfer/dwd_stations.py", "cloud/transfer/dwd_beob.py",
    "cloud/transfer/istsos_csv.py", "cloud/transfer/naming.py", "cloud/transfer/batch.py",
    "simulators/weather.py", "simulators/city.py", "simulators/station.py",
)  # fmt: skip
SHELLS = {
    "gateway/service.py", "gateway/mqtt.py", "gateway/semtech/endpoint.py", "gateway/database.py", "gateway/uplink.py",
    "gateway/notices.py", "schemas/export.py",
}  # fmt: skip
IMPURE = {"socket", "asyncio", "random", "secrets", "time", "threading", "subprocess", "os", "aiomqtt", "httpx", "paho"}


def modules(*places: str) -> list[Path]:
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return found


def imports(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """`(line, module, names)` of every import, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, []
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by full name"
            yield node.lineno, node.module or "", [alias.name for alias in node.names]


def shown(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_the_architecture_allows(package: str) -> None:
    broken = [
        shown(path, line, f"{package} must not import {module}")
        for path in modules(package)
        for line, module, _ in imports(path)
        if module.split(".")[0] in PACKAGES and module.split(".")[0] not in MAY_IMPORT[package]
    ]
    assert not broken, "\n".join(broken)


def device_modules() -> list[Path]:
    half = [ROOT / "schemas" / f"{name}.py" for name in DEVICE_HALF if (ROOT / "schemas" / f"{name}.py").exists()]
    return half + modules("edge")


@pytest.mark.parametrize("path", device_modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_runs_on_a_device_imports_only_what_a_device_has(path: Path) -> None:
    allowed_schemas = {f"schemas.{name}" for name in DEVICE_HALF}
    broken = []
    for line, module, names in imports(path):
        top = module.split(".")[0]
        if top == "schemas" and not {module, *(f"{module}.{name}" for name in names)} & allowed_schemas:
            broken.append(shown(path, line, f"{module} is not for devices"))
        if top not in ("schemas", "edge") and top not in ON_DEVICE:
            broken.append(shown(path, line, f"MicroPython has no {module}"))
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("path", modules("firmware/device"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_firmware_imports_only_what_a_device_has(path: Path) -> None:
    allowed = {f"schemas.{name}" for name in DEVICE_HALF}
    broken = []
    for line, module, names in imports(path):
        top = module.split(".")[0]
        if top == "schemas" and not {module, *(f"{module}.{name}" for name in names)} & allowed:
            broken.append(shown(path, line, f"{module} is not for devices"))
        if top == "firmware" and not f"{module}.{names[0] if names else ''}".startswith("firmware.device."):
            broken.append(shown(path, line, f"{module} is CPython's half of the firmware"))
        if top not in PACKAGES and top not in AROUND_THE_CHIP:
            broken.append(shown(path, line, f"MicroPython has no {module}"))
    assert not broken, "\n".join(broken)


def pure_modules() -> list[Path]:
    return [path for path in modules(*PURE) if str(path.relative_to(ROOT)) not in SHELLS]


@pytest.mark.parametrize("path", pure_modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_is_pure(path: Path) -> None:
    broken = [
        shown(path, line, f"a pure module must not import {module}")
        for line, module, _ in imports(path)
        if module.split(".")[0] in IMPURE
    ]
    assert not broken, "\n".join(broken)


def test_only_wiring_and_tests_know_the_simulators() -> None:
    broken = [
        shown(path, line, "only klimanetz/ and tests/ may import simulators")
        for path in modules("schemas", "edge", "firmware", "gateway", "cloud")
        for line, module, _ in imports(path)
        if module.split(".")[0] == "simulators"
    ]
    assert not broken, "\n".join(broken)


def test_pydantic_is_in_the_models_half_only() -> None:
    users = {
        path.name
        for path in modules("schemas")
        for _, module, _ in imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names | {"schemas"}
    }
    assert users <= {"models.py", "export.py", "asyncapi.py", "csv_rows.py"}, users


def test_every_package_is_held_by_a_rule() -> None:
    here = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert here == set(PACKAGES)


def test_the_rules_bite(tmp_path: Path) -> None:
    """The reader itself sees imports wherever they hide."""
    hidden = tmp_path / "hidden.py"
    hidden.write_text("def f():\n    if True:\n        from cloud.store import open_store\n    import gateway.spool\n")
    assert sorted((line, module) for line, module, _ in imports(hidden)) == [(3, "cloud.store"), (4, "gateway.spool")]


BENCH_ROOMS = ("board", "flash", "identity", "checklist", "label")


@pytest.mark.parametrize("room", BENCH_ROOMS)
def test_a_room_of_the_bench_imports_only_from_those_before_it(room: str) -> None:
    allowed = {"words", "trouble", *BENCH_ROOMS[: BENCH_ROOMS.index(room) + 1]}
    broken = [
        shown(path, line, f"{room} must not import {module}")
        for path in modules(f"firmware/bench/{room}")
        for line, module, names in imports(path)
        if module.startswith("firmware.bench")
        and not ({module.split(".")[2]} if module.count(".") > 1 else set(names)) <= allowed
    ]
    assert not broken, "\n".join(broken)
