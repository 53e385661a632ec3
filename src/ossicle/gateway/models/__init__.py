"""Which engine hears for which model name, providers included."""

__all__: list[str] = []
