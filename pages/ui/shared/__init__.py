"""What every page may use: models and codes, caches, the visitor, pictures, words."""
