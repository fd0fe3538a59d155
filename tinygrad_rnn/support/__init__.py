"""What every room may need and none is about: files that are written whole or not at all (`files`), and progress."""
