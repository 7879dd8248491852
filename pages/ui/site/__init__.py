"""A page's live part as a folder of files, which any web host can show without this program."""
