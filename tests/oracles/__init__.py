"""Two LoRaWAN implementations of other people, to build and to open frames: lora-packet (npm) and lrwn (Rust).

Each is a small program that reads JSON lines and answers them in order. Requests have `op` and the names that
`klimanetz lorawan decode --json` uses; keys, EUIs and addresses are hex, most significant byte first:
  build_data          type dev_addr fcnt (32 bits) adr adr_ack_req ack f_pending fport fopts_hex payload_hex nwk_skey
                      app_skey                                                                          -> phy_hex
  open_data           phy_hex fcnt (its upper half counts) nwk_skey app_skey        -> the same, and mic_ok
  build_join_request  join_eui dev_eui dev_nonce app_key                            -> phy_hex
  build_join_accept   join_nonce net_id dev_addr rx1_dr_offset rx2_data_rate rx_delay cf_list_hex app_key -> phy_hex
  open_join_request, open_join_accept   phy_hex app_key                             -> the same, and mic_ok
  session_keys        app_key join_nonce net_id dev_nonce                           -> nwk_skey app_skey
What fails is answered with `error`. They are installed once into `.oracle/` by the ordinary npm and cargo clients.
`found` gives an oracle that answers, or skips, loudly: a tool that is on PATH and cannot run, like rustup's `cargo`
without a toolchain, is as absent as one that is not.
"""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import absent

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent.parent / ".oracle"
INSTALL_TIMEOUT_S = 900
ANSWER_TIMEOUT_S = 60
VERSION_TIMEOUT_S = 60
TOOLS = {"node": ("node", "npm"), "cargo": ("cargo",)}
Ask = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def found(name: str) -> Ask:
    """The oracle of `node` or `cargo`, installed; skips where its tools are not or its packages cannot be had."""
    for tool in TOOLS[name]:
        if why := why_unusable(tool):
            absent(tool, why)
    oracle = {"node": lora_packet, "cargo": lrwn}[name]
    try:
        oracle([])
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        absent(f"the LoRaWAN oracle of {name}", f"its packages could not be installed: {error}")
    return oracle


def why_unusable(tool: str) -> str:
    """Why a program cannot be used on this machine, in one line; "" if it runs."""
    if shutil.which(tool) is None:
        return "install it and put it on PATH"
    try:
        done = subprocess.run(
            [tool, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"it is on PATH and cannot run: {error}"
    said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[0]
    return f"it is on PATH and cannot run: {said}" if done.returncode else ""


def lora_packet(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of npm's lora-packet 0.9.3. Needs node and npm on PATH."""
    return _ask(["node", str(HERE / "lora-packet" / "oracle.js")], _install_lora_packet(), requests)


def lrwn(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of the crate lrwn 4.13.0, ChirpStack's own codec. Needs cargo on PATH."""
    return _ask([str(_install_lrwn())], INSTALLED, requests)


def frames_per_second(name: str, phys: list[bytes], nwk_skey: bytes, app_skey: bytes) -> float:
    """How many frames of one session "lora-packet" or "lrwn" verifies and decrypts in a second, on one core."""
    if name == "lora-packet":
        command, cwd = ["node", str(HERE / "lora-packet" / "bench.js")], _install_lora_packet()
    else:
        command, cwd = [str(_install_lrwn()), "bench"], INSTALLED
    lines = "".join(f"{phy.hex()}\n" for phy in phys)
    command += [nwk_skey.hex(), app_skey.hex()]
    done = subprocess.run(
        command, cwd=cwd, input=lines, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=True
    )
    return float(done.stdout)


def _ask(command: list[str], cwd: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        command, cwd=cwd, input=lines, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests), done.stderr
    return answers


@cache
def _install_lora_packet() -> Path:
    folder = INSTALLED / "lora-packet"
    with _alone("lora-packet"):
        folder.mkdir(parents=True, exist_ok=True)
        manifest = HERE / "lora-packet" / "package.json"
        installed = folder / "installed.json"
        if not installed.exists() or installed.read_bytes() != manifest.read_bytes():
            shutil.copy(manifest, folder / "package.json")
            _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], folder)
            shutil.copy(manifest, installed)
    return folder


@cache
def _install_lrwn() -> Path:
    folder = INSTALLED / "lrwn"
    with _alone("lrwn"):
        _run(["cargo", "build", "--release", "--quiet", "--target-dir", str(folder)], HERE / "lrwn")
    return folder / "release" / "lrwn-oracle"


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One installation at a time, also among test processes."""
    INSTALLED.mkdir(exist_ok=True)
    handle = os.open(INSTALLED / f"{name}.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
