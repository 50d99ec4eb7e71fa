"""What the wizard knows, without Textual."""
