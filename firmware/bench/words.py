"""What a technician reads, in the language of the terminal (LANG): German or English.

The rule: both languages stand beside each other where the sentence is said, so neither is forgotten when one changes.
POSIX, "Internationalization Variables": LC_ALL before LC_MESSAGES before LANG.
"""

import os


def german() -> bool:
    """Whether the terminal's language is German."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value.lower().startswith("de")
    return False


def say(english: str, german_text: str, *values: object, **named: object) -> str:
    """The sentence in the terminal's language; `%s` in it are `values`, in the same order in both, or `%(name)s`."""
    text = german_text if german() else english
    return text % (values or named) if values or named else text
