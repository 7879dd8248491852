"""What only the library shows."""
