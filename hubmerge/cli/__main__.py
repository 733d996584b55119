"""`python -m hubmerge.cli` is `hubmerge`."""

from hubmerge.cli import main

main()
