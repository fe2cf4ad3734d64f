"""What changes the registry: load, decide, change, publish."""
