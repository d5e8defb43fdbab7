"""Where things are unless a command or a configuration says otherwise.

Relative to the working directory.
"""

from pathlib import Path

#: A prepared data set.
DATA = Path("data/modified-mnist")
#: MNIST's four files.
DIGITS = Path("data/mnist")
#: The run folders.
RUNS = Path("runs")
