"""What the pages share: the visitor's session, figures, images and the live components."""
