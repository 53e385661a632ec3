"""Which engine hears for which model name, providers included."""
