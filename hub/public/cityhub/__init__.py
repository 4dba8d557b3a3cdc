"""The installed name of cityhub: what the command, plug-ins and their tests import.

The hub's own folders (`hub`, `adapters`, `rules` …) have names that other packages may have too. A wheel therefore installs them inside
`cityhub/tree/`, and importing `cityhub` puts that folder first on the path of this process alone. In a checkout they lie at its root.
"""

from __future__ import annotations

import sys
from pathlib import Path

TREE = Path(__file__).parent / "tree"
FOLDERS = ("hub", "adapters", "rules", "dashboards", "simulators")


def _open_tree() -> None:
    """Let the hub's folders be imported. Raises ImportError where the process has another package of such a name already."""
    if not TREE.is_dir():
        return
    if str(TREE) not in sys.path:
        sys.path.insert(0, str(TREE))
    for name in FOLDERS:
        module = sys.modules.get(name)
        places = [Path(place) for place in getattr(module, "__path__", ())]
        if module is not None and TREE / name not in places:
            raise ImportError(
                f"cityhub needs its own {name!r}, and this process has imported another package of that name "
                f"({getattr(module, '__file__', None) or 'no file'}); run cityhub in a process of its own"
            )


_open_tree()
