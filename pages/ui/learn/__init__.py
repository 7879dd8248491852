"""Parts of the Learn pages, a module a lesson."""
