"""What helps to choose a wire: the advisor's answer, and the echoes that are measured."""

__all__: list[str] = []
