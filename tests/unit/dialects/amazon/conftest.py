"""The table of messages is a module of its own, since the fuzz tests read it too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
