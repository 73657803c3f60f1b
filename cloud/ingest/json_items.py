"""A JSON message cut into its items before anything is parsed, so that one that is no JSON costs no other. Pure.

Python's parser is used within its bounds: depth and digits are looked at first, so that its own limits (recursion,
`int_max_str_digits`) are never met and what is wrong is said in words for people.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator

DEPTH_MAX = 16  # of brackets in an item; a reading has three
_DIGITS_MAX = 4000  # Python reads no longer integers
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},"]', re.DOTALL)


class NotJson(ValueError):
    """The text is not JSON that could be a reading; the message says why."""


class Object(dict[str, object]):
    """A JSON object; `doubled` are the pairs whose key it has more than once."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        keys = Counter(key for key, _ in pairs) if len(self) < len(pairs) else Counter()
        self.doubled = [pair for pair in pairs if keys[pair[0]] > 1]


def items(payload: bytes) -> list[tuple[str, int]]:
    """`(text, depth of brackets)` of each item of an array, or of what stands alone.

    Raises NotJson where brackets or quotes do not match.
    """
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is no UTF-8") from None
    if not text:
        raise NotJson("the message is empty")
    alone = not text.startswith("[")
    found = list(_cut(f"[{text}]" if alone else text))
    if alone and len(found) != 1:
        raise NotJson("several things that are in no array")
    return [] if len(found) == 1 and not found[0][0] else found


def _cut(text: str) -> Iterator[tuple[str, int]]:
    depth = deepest = start = 0
    for token in _TOKEN.finditer(text):
        what = token[0]
        if what in "[{":
            depth += 1
            deepest = max(deepest, depth)
            start = token.end() if depth == 1 else start
        elif what in "]}":
            depth -= 1
        elif what == '"':
            break  # a text without its end
        if depth == 0 or (depth == 1 and what == ","):
            yield text[start : token.start()].strip(), deepest - 1
            start, deepest = token.end(), 0
        if depth == 0:
            if what != "]" or start < len(text):
                raise NotJson("something else stands where the array ends")
            return
    raise NotJson("brackets or quotes do not match: is the message cut off?")


def parsed(text: str, depth: int) -> object:
    """One item. Raises NotJson."""
    if depth > DEPTH_MAX:
        raise NotJson(f"{depth} brackets within one another; a reading has three")
    try:
        return json.loads(text, object_pairs_hook=Object, parse_int=_integer)
    except ValueError as error:
        raise NotJson(str(error)) from None


def _integer(text: str) -> float:
    return int(text) if len(text) <= _DIGITS_MAX else float(text)  # infinite, and no value


def dumped(value: object) -> bytes:
    """JSON that says the same; half a character, which JSON's escapes can spell and UTF-8 cannot, stays an escape."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def clean(text: str) -> str:
    """Text without half characters."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
