"""`python -m` runs the command."""

from entrypoints.cli.app import main

main()
