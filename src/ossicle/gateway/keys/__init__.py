"""Who may come in, and how much of the gateway they may use."""

__all__: list[str] = []
