"""From a Plan to trained weights, in two stages."""
