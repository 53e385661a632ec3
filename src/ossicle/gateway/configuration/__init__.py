"""What may be changed about a gateway, under which names, and where it is read from."""

__all__: list[str] = []
