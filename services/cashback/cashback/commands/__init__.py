"""What changes this service's data. Only the edge commits."""
