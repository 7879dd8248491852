"""What only the presenter's page has."""
