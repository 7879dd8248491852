"""Concept vectors: how they are estimated, kept in files, and measured by the edits they make."""
