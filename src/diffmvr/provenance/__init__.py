"""What an output says of itself: what was synthesised in it, from what, and whether it still is."""
