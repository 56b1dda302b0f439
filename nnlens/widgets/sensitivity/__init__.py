"""The view of how small changes of an image grow, and how far it is to another answer."""
