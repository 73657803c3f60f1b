# `make demo` and `make test` need Python 3.11 or newer and nothing else: they set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo device-demo test check soak bench docs schemas lock clean

help:
	@echo "make demo    the whole chain on this machine: simulated stations, gateway, broker, store, API, pages"
	@echo "make device-demo  a simulated factory-new board: flashed, provisioned, verified, its first reading in the API"
	@echo "make test    all tests (what needs Mosquitto, InfluxDB, Node or Cargo is skipped, loudly, where they are not)"
	@echo "make soak    simulated stations for many days, with faults by chance (an hour)"
	@echo "make check   ruff, mypy --strict, import rules: what CI asks"
	@echo "make bench   figures beside other tools, in one run"
	@echo "make docs    the generated tables of docs/wire.md and docs/device.md again"
	@echo "make schemas JSON Schema and AsyncAPI again, after the models changed"
	@echo "make lock    the versions that the image installs, again"

demo: $(VENV)/run.stamp
	@$(BIN)/klimanetz demo $(ARGS)

device-demo: $(VENV)/dev.stamp
	@$(BIN)/klimanetz device demo $(ARGS) || [ $$? -eq 130 ]  # 130: Ctrl-C

test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest $(ARGS)

soak: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -v tests/firmware/soak.py $(ARGS)

check: $(VENV)/dev.stamp $(VENV)/stubs.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file mypy-micropython.ini
	@$(BIN)/python -m pytest -q tests/test_imports.py

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench $(ARGS)

docs: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.schemas.test_wire_docs
	@$(BIN)/python -m tests.firmware.test_device_docs

schemas: $(VENV)/dev.stamp
	@$(BIN)/python -m schemas.export schemas/json

lock: $(VENV)/dev.stamp
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
	    --extra postgresql --python-version 3.11 -o requirements.lock pyproject.toml

$(VENV)/python.stamp:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "klimanetz needs Python 3.11 or newer, and '$(PYTHON)' was not found."; \
	    echo "Debian/Ubuntu: sudo apt install python3 python3-venv   macOS: brew install python   or set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "klimanetz needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) -V 2>&1`."; \
	    echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "Python's venv module is missing."; \
	    echo "Debian/Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: $(VENV)/python.stamp pyproject.toml
	@echo "Installing what klimanetz needs into $(VENV) (once, about half a minute) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e . || { echo "pip failed: see above."; exit 1; }
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp pyproject.toml
	@echo "Installing what the tests need into $(VENV) (once, about half a minute) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' || { echo "pip failed: see above."; exit 1; }
	@touch $@

# MicroPython's stubs stand in for the standard library: in a folder of their own, seen only by the second mypy.
$(VENV)/stubs.stamp: $(VENV)/python.stamp
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade --target $(VENV)/micropython-stubs \
	    'micropython-esp32-stubs>=1.25' || { echo "pip failed: see above."; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
