"""Ctrl-C in a command of the bench is answered with a sentence and exit 130, wherever it comes."""

import pytest
import typer

from klimanetz.cli.device import Stoppable
from klimanetz.failure import Failure


@pytest.mark.parametrize("how", [KeyboardInterrupt, typer.Abort])
def test_whoever_stops_is_told_what_it_cost(how: type[BaseException]) -> None:
    app = typer.Typer(cls=Stoppable)

    @app.command("work")
    def work() -> None:
        raise how

    @app.command("rest")
    def rest() -> None: ...

    with pytest.raises(Failure, match="run the same command again") as stopped:
        app(["work"], standalone_mode=False)
    assert stopped.value.exit_code == 130
