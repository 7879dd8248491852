"""Concept vectors: their estimation, their files, and the evaluation of edits."""
