"""What is read, cut to the caller's reach in SQL."""
