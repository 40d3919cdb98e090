"""Run the proxy and the shop behind it: `python leakscope/demo/shop --port 0 [--fixed]`.

The package's parent goes first on `sys.path`, so that its modules are `shop.audit` and so on, as
in an installed service.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(import_module("shop.app").main())
