"""Tables and the hand-held client are modules of their own: fuzz and law tests read them too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
