"""`python -m fleet.cli`: how fleet starts itself in the background."""

from fleet.cli.main import main

main()
