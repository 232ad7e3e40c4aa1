"""What the directory does: lets in, keeps people and tokens, and writes down."""
