"""The program: `mmnist`, or `python -m mmnist`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C counts as an interruption even while it is being loaded."""
    try:
        from mmnist.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
