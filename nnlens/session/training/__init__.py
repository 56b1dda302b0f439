"""What a watched training needs of a session."""
