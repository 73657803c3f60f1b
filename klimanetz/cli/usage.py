"""Wrong use of the command line, as one sentence with the way out.

typer would draw a box, with the words of the library that checks the values. Its exceptions are known here by what
they derive from, as the package that defines them differs between its versions.
"""

import re

import typer

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
_WORDS = (
    (r"Input should be greater than or equal to (\S+)", r"use at least \1"),
    (r"Input should be less than or equal to (\S+)", r"use at most \1"),
    (r"Input should be a valid integer\b.*", "use a whole number"),
    (r"Input should be a valid number\b.*", "use a number"),
    (r"Input should be a finite number\b.*", "use a number"),
    (r"Value error, ", ""),
    (r"^Missing (\w+) '([^']+)'", r"\1 '\2' is missing"),
    (r"\. Did you mean ('[^']+')\?", r", perhaps \1"),
    (r"\. Choose from: ", ": one of "),
)


def sentence_of(error: Exception) -> str | None:
    """The sentence for wrong use; None for anything else, also for a group without a command, which shows its help."""
    if not isinstance(error, USAGE_ERROR) or type(error).__name__ == "NoArgsIsHelpError":
        return None
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    for words, ours in _WORDS:
        message = re.sub(words, ours, message)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "klimanetz"
    return f"{message[:1].lower()}{message[1:].rstrip('.')}; `{path} --help` shows how"
