"""Training runs: their folders, the process that trains, and the queue that starts it."""
