"""What Python does first in the image: ask Numba for kernels of a kind of CPU, and not of the one at hand.

Those that were compiled with the image then fit every CPU that NumPy runs on: x86-64 since 2009, or others of 64 bits.
"""

import os

if "NUMBA_CPU_NAME" not in os.environ:
    is_x86 = os.uname().machine == "x86_64"
    os.environ["NUMBA_CPU_NAME"] = "x86-64-v2" if is_x86 else "generic"
    os.environ["NUMBA_CPU_FEATURES"] = ""
