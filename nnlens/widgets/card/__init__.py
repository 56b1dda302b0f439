"""The unit card: the parts that show one thing each about the selected unit."""
