"""What runs in threads beside the screens."""
