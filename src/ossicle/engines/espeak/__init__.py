"""The espeak-ng voice: an engine here, and the GPL library in a helper process of its own.

`engine.py` never loads the library; `synthesizer.py` does, and talks over a pipe in the small
protocol of `pipe.py`.
"""

__all__: list[str] = []
