"""The loss of each method: which anchors are positive, how far a box is off, how the parts add up."""
