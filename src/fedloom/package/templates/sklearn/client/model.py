"""A linear classifier, and how it travels: as its coefficients and intercepts.

Run as a script, this is the entry point `build`: it writes the seed model beside the package.
"""

import numpy as np
from fedloom.package.helpers import get_helper
from sklearn.linear_model import SGDClassifier

PIXELS = 64
CLASSES = np.arange(10)

helper = get_helper("numpyhelper")


def build_model(learning_rate=0.1):
    """Return a new logistic regression, trained by gradient steps, all of its weights zero."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=learning_rate)
    model.coef_ = np.zeros((len(CLASSES), PIXELS), np.float32)
    model.intercept_ = np.zeros(len(CLASSES), np.float32)
    model.classes_ = CLASSES
    return model


def read_model(path, learning_rate=0.1):
    """Return a classifier with the weights in a file, ready to be trained and scored."""
    model = build_model(learning_rate)
    model.coef_, model.intercept_ = helper.load(path)
    return model


def write_model(model, path):
    """Write the weights of a classifier to a file."""
    helper.save([model.coef_, model.intercept_], path)


if __name__ == "__main__":
    write_model(build_model(), "../seed.npz")
