"""The view of the linear function that holds at an input."""
