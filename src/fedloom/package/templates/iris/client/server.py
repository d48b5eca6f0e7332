"""How the clients' updates become the next global model: where this differs from averaging by rows.

The server runs this file, not the clients. A function that is not here is the algorithm's own.
"""

import math


def aggregate(weights, updates):
    """Return the mean of the clients' weights, each counting by the square root of its rows.

    Averaging by rows lets the largest holder decide. Here one with four times the rows of another
    counts twice as much.

    Args:
        weights: the global model that the round began with.
        updates: one for each client whose update was accepted, with the keys `weights` (arrays in
            the order of `weights`) and `num_examples`.
    """
    total = sum(math.sqrt(update["num_examples"]) for update in updates)
    mean = [0 * array for array in weights]
    for update in updates:
        share = math.sqrt(update["num_examples"]) / total
        mean = [m + share * array for m, array in zip(mean, update["weights"], strict=True)]
    return mean
