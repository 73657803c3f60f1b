"""`python -m klimanetz` is the command `klimanetz`."""

from klimanetz.cli import main

main()
