"""What an option can be, where several commands or the code below them share it.

Written again, so that no command has to import that code to show its help.
"""

from typing import Literal

#: Where to compute.
Device = Literal["auto", "cpu", "cuda"]
#: The two parts of a data set.
Part = Literal["train", "test"]
#: How generated labels are distributed.
LabelMode = Literal["natural", "uniform", "balanced"]
