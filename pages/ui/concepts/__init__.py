"""Parts of the Concepts page."""
