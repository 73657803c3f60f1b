"""What nothing on a device reaches falls out of its image, and nothing else does."""

import ast

import pytest

from firmware.contents import APART, closure, roots
from firmware.image import shaken
from firmware.shake import shake
from tests.firmware.images import CONFIG, RADIOS


def left(main: str, open_to_all: tuple[str, ...] = (), **others: str) -> dict[str, str]:
    return shake({"main": main, **others}, {"main": ["run"]}, open_to_all)


def names(source: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_what_is_called_stays_with_all_that_it_calls() -> None:
    main = "def run():\n    return one()\ndef one():\n    return LIMIT\nLIMIT = 3\nUNUSED = 4\ndef two():\n    return UNUSED\n"
    assert left(main)["main"] == "def run():\n    return one()\n\ndef one():\n    return LIMIT\nLIMIT = 3\n"


def test_an_import_that_nobody_uses_goes_and_what_it_named_goes_with_it() -> None:
    got = left(
        "from codec import decode, encode\ndef run():\n    return encode(b'')\n",
        codec="def encode(data):\n    return data\ndef decode(data):\n    return _bits(data)\ndef _bits(data):\n    return data\n",
    )
    assert got["main"].startswith("from codec import encode\n")
    assert names(got["codec"]) == {"encode"}


def test_decoding_a_text_does_not_keep_a_function_of_the_same_name() -> None:
    got = left(
        "from codec import encode\ndef run():\n    return encode(b'a'.decode())\n",
        codec="def encode(t): pass\ndef decode(t): pass\n",
    )
    assert names(got["codec"]) == {"encode"}


@pytest.mark.parametrize(
    "way",
    ["import codec\ndef run():\n    return codec.decode(b'')\n",
     "def run():\n    from codec import decode\n    return decode(b'')\n",
     "def run():\n    with Loaded('codec') as module:\n        return module.decode(b'')\n",
     "import codec\ndef run():\n    return getattr(codec, 'decode')(b'')\n"],
)  # fmt: skip
def test_each_way_to_a_function_keeps_it(way: str) -> None:
    assert names(left(way, codec="def encode(t): pass\ndef decode(t): pass\n")["codec"]) == {"decode"}


def test_what_is_loaded_by_a_composed_name_may_be_reached_from_everywhere() -> None:
    main = "def run(chip):\n    return __import__('drivers.' + chip).start()\n"
    driver = "def start(): pass\ndef stop(): pass\n"
    assert names(left(main, ("driver",), driver=driver)["driver"]) == {"start"}
    assert names(left(main, (), driver=driver)["driver"]) == set()


def test_methods_stay_by_their_name_and_special_ones_with_their_class() -> None:
    main = (
        "class Box:\n    SIZE = 1\n    def __init__(self): self.fill()\n    def fill(self): pass\n"
        "    def empty(self): pass\n    def __len__(self): return 1\n"
        "class Unused:\n    def __init__(self): helper()\ndef helper(): pass\n"
        "def run():\n    return Box()\n"
    )
    assert names(left(main)["main"]) == {"Box", "__init__", "fill", "__len__", "run"}


def test_what_a_module_does_when_it_is_loaded_stays() -> None:
    main = "table = {}\ndef register(name): table[name] = 1\nregister('a')\nx = register('b')\ndef run(): pass\n"
    assert left(main)["main"].count("register") == 3


def test_words_in_a_docstring_keep_nothing() -> None:
    got = left(
        'def run():\n    """Box.empty"""\n    return Box()\nclass Box:\n    """run"""\n    def empty(self): pass\n'
    )
    assert names(got["main"]) == {"run", "Box"}
    compile(got["main"], "main", "exec")


@pytest.mark.parametrize(("board", "radio"), RADIOS)
def test_every_name_in_an_image_is_still_there(board: str, radio: str) -> None:
    """Of what a module uses, nothing was taken away: each free name is defined, imported or built in."""
    start = roots(board, CONFIG[radio])
    made = shaken(closure(start, APART[radio]), start)
    for module, source in made.items():
        tree = ast.parse(source)
        bound = set(dir(__builtins__)) | set(__builtins__ if isinstance(__builtins__, dict) else ())
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
            elif isinstance(node, ast.ImportFrom) and node.module in made:
                have = names(made[node.module]) | _assigned(made[node.module])
                assert {alias.name for alias in node.names} <= have, (module, node.module)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert used - bound - {"int", "const"} == set(), module


def _assigned(source: str) -> set[str]:
    tree = ast.parse(source)
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}


def test_the_clouds_half_of_a_codec_is_not_on_a_device() -> None:
    start = roots("heltec_v3", CONFIG["lorawan"])
    made = shaken(closure(start, APART["lorawan"]), start)
    assert "decode_ack" in names(made["schemas.wire_down"]) and "encode_ack" not in names(made["schemas.wire_down"])
    assert "build_join_accept" not in names(made["edge.lorawan.frames"])
