"""What all views are made of: the view, its parts, its traits and its options."""
