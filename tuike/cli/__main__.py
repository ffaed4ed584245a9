"""`python -m tuike.cli` is `tuike`."""

from tuike.cli import main

main()
