"""Everything below the pages: a folder for each page, over components, over what all share."""
