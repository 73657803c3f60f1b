"""`python -m schemas.export FOLDER`: the JSON Schema of every model and the AsyncAPI document, one file each.

The repository keeps a copy in `schemas/json/`; a test holds it to the models.
"""

import json
import sys
from pathlib import Path
from typing import Any

from schemas.asyncapi import asyncapi, json_schemas

WIRE_VERSION = "1"  # of the topics, not of the software: the copy in the repository does not change with a release


def files() -> dict[str, str]:
    """What is written, by file name."""
    documents: dict[str, Any] = {f"{name.lower()}.schema.json": schema for name, schema in json_schemas().items()}
    documents["asyncapi.json"] = asyncapi(WIRE_VERSION)
    return {name: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for name, document in documents.items()}


def main(arguments: list[str]) -> int:
    """Write the files; the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m schemas.export FOLDER, for example schemas/json", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        print(f"cannot write to {folder}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
