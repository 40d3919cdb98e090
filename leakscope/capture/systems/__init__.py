"""What differs from one operating system to the next in what it says of a process.

`LOCAL` is the one we run on. A `ProcessIdentity` carries its system, and whoever works on a process
asks that: nothing else looks at which platform this is.
"""

from __future__ import annotations

import sys

from leakscope.capture.systems.darwin import Darwin
from leakscope.capture.systems.interface import System
from leakscope.capture.systems.linux import Linux

__all__ = ["LOCAL", "Darwin", "Linux", "System"]

LOCAL: System = Darwin() if sys.platform == "darwin" else Linux()
