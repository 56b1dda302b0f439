"""The view of a theory of learning beside a small experiment."""
