"""What messages mean to one provider: pure code, no sockets, no clock."""

__all__: list[str] = []
