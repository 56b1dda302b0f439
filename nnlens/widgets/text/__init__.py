"""What views of a text have in common: the text with its tokens, what is typed, what the model predicts."""
