"""The occluder under the mouse, masks painted by hand, and the map of the whole experiment."""
