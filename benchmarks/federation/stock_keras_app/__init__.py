"""The app that stock Flower runs with a Keras model: what a cell of `fedloom bench` does."""
