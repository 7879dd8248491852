"""Concept vectors: how they are estimated, kept in files, and judged by the edits they make."""
