"""What may be wrong with a simulated board or its cable; may be changed while it runs."""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """Nothing is wrong, until somebody says so."""

    loses: float = 0.0  # the share of bytes from the host that get lost
    silent: bool = False  # a cable without data lines: nothing passes
    chatter: bytes = b""  # another program's port: says this now and then, and hears nothing
    bad_at: set[int] = field(default_factory=set)  # addresses of flash that do not hold what is written

    @property
    def deaf(self) -> bool:
        """Whether nothing of the board passes."""
        return self.silent or bool(self.chatter)
