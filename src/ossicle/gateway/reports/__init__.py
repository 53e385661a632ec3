"""What a gateway tells about its sessions besides answering them: records, webhooks, metrics,
traces, logs."""

__all__: list[str] = []
