"""Where the images of `predict` come from: files, folders, patterns, videos, cameras, a list on standard input."""
