"""`python -m mmnist` is the same as `mmnist`."""

from mmnist.cli import main

main()
