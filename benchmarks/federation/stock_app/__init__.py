"""The app that stock Flower runs: what our nodes do, in Flower's own terms."""
