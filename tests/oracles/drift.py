"""The formulas of chapter 09 once more, plainly and one example at a time, without importing l2h."""

import itertools
import math

import numpy as np


def keep_and_ask(m, e, y, c1, ce):
    """What keeping and asking cost on each example."""
    keep = [1.0 if m_i != y_i else 0.0 for m_i, y_i in zip(m, y, strict=True)]
    ask = [ce + (c1 if (1 if e_i >= 0 else -1) != y_i else 0.0) for e_i, y_i in zip(e, y, strict=True)]
    return keep, ask


def worth(m, e, y, c1, ce):
    """What a question seems to save if the answer is taken for the label, and what it saves, on each example."""
    keep, ask = keep_and_ask(m, e, e, c1, ce)
    true_keep, true_ask = keep_and_ask(m, e, y, c1, ce)
    return [k - a for k, a in zip(keep, ask, strict=True)], [k - a for k, a in zip(true_keep, true_ask, strict=True)]


def threshold_loss(r, keep, ask, threshold):
    """Losses of one threshold."""
    return [a if r_i <= threshold else k for r_i, k, a in zip(r, keep, ask, strict=True)]


# --- shift_bounds ---------------------------------------------------------------------------------------------------


def weighted_penalty(p, q, c1, ce, functions, n, delta):
    """b sqrt(2 ln(N / delta) E_P[w^2] / n), the second moment summed over labels under P."""
    moment = sum(p_y * (q_y / p_y) ** 2 for p_y, q_y in zip(p, q, strict=True) if p_y > 0)
    return max(1, c1 + ce) * math.sqrt(2 * math.log(functions / delta) * moment / n)


def regret_bound(eta, gamma, sigma, batch, delay, c1, ce, experts, steps, switches):
    """The worst-case bound, term by term."""
    batches = math.ceil(steps / batch)
    price = (switches + 1) * math.log(experts)
    if switches:
        price += switches * math.log(1 / sigma)
    price += (batches - 1 - switches) * math.log(1 / (1 - sigma))
    largest, late = max(1 - ce, c1 + ce), (delay + 1) * batch - 1
    variance = eta * largest**2 / (2 * gamma)
    lateness = eta * largest**2 * late + sigma * delay * largest
    return price / eta + steps * (variance + lateness + gamma * (c1 + ce))


# --- online: the algorithm, one step at a time, along every path of its coins --------------------------------------


def expert_paths(r, keep, ask, thresholds, eta, gamma, sigma, batch, delay):
    """(probability, coins, chances, shadow weights before each step) of every path of coins."""
    number = len(thresholds)
    for coins in itertools.product([False, True], repeat=len(r)):
        weights_at_start = [[1 / number] * number]  # before batch 0, 1, ...
        probability, chances, shadows = 1.0, [], []
        shadow = weights_at_start[0][:]
        for t in range(len(r)):
            j = t // batch
            if t % batch == 0 and t > 0:
                shadow = [(1 - sigma) * v + sigma / number for v in shadow]
                weights_at_start.append(shadow[:])
            played = weights_at_start[max(0, j - delay)]
            advice = sum(w for w, threshold in zip(played, thresholds, strict=True) if r[t] <= threshold)
            q = gamma + (1 - gamma) * advice
            chances.append(q)
            shadows.append(shadow[:])
            probability *= q if coins[t] else 1 - q
            if coins[t]:
                excess = excesses(r[t], keep[t], ask[t], thresholds)
                moved = [v * math.exp(-eta * g / q) for v, g in zip(shadow, excess, strict=True)]
                shadow = [v / sum(moved) for v in moved]
        yield probability, coins, chances, shadows


def excesses(r_t, keep_t, ask_t, thresholds):
    """What each threshold loses beyond the better action at one step."""
    return [(ask_t if r_t <= threshold else keep_t) - min(keep_t, ask_t) for threshold in thresholds]


def realised(r, keep, ask, thresholds, chances, shadows, price, eta, gamma, sigma, batch, delay):
    """The bound of one path, term by term."""
    late = (delay + 1) * batch - 1
    excess = [excesses(*step, thresholds) for step in zip(r, keep, ask, strict=True)]
    mixed = [sum(v * g for v, g in zip(*pair, strict=True)) for pair in zip(shadows, excess, strict=True)]
    total = price / eta
    for t, (v, g, q) in enumerate(zip(shadows, excess, chances, strict=True)):
        total += eta / 2 * sum(v_k * g_k**2 for v_k, g_k in zip(v, g, strict=True)) / q
        total += abs(keep[t] - ask[t]) * (sigma * delay + eta * sum(mixed[max(0, t - late) : t]))
        total += gamma * max(0.0, ask[t] - keep[t])
    return total


def best_sequence(r, keep, ask, thresholds, batch, switches):
    """The least loss of thresholds that change at most S times between batches, by trying all."""
    batches = math.ceil(len(r) / batch)
    best = math.inf
    for path in itertools.product(thresholds, repeat=batches):
        if sum(a != b for a, b in itertools.pairwise(path)) <= switches:
            chosen = [path[t // batch] for t in range(len(r))]
            total = sum(a if r_t <= c else k for r_t, k, a, c in zip(r, keep, ask, chosen, strict=True))
            best = min(best, total)
    return best


# --- shifts ---------------------------------------------------------------------------------------------------------


def blurred(image, sigma):
    """One channel convolved with a Gaussian, border mirrored, pixel by pixel."""
    reach = math.ceil(3 * sigma)
    weight = [math.exp(-(d**2) / (2 * sigma**2)) for d in range(-reach, reach + 1)]
    weight = [w / sum(weight) for w in weight]
    height, width = image.shape

    def mirrored(i, size):
        i = -i if i < 0 else i
        return 2 * (size - 1) - i if i >= size else i

    out = np.zeros_like(image)
    for i, j in np.ndindex(height, width):
        for a, b in itertools.product(range(-reach, reach + 1), repeat=2):
            pixel = image[mirrored(i + a, height), mirrored(j + b, width)]
            out[i, j] += weight[a + reach] * weight[b + reach] * pixel
    return out


def largest_gap(first, second):
    """Kolmogorov-Smirnov distance, at every value."""
    return max(
        abs(sum(v <= t for v in first) / len(first) - sum(v <= t for v in second) / len(second))
        for t in [*first, *second]
    )


# --- refit ----------------------------------------------------------------------------------------------------------


def pull(hidden, strength, size):
    """What multiplies half the squared distance from the old layer: the bias reads a constant 1."""
    return strength * sum(sum(h * h for h in row) + 1 for row in hidden) / size


def refit_gradient(hidden, down, up, old, new, strength):
    """The slope of the refit's objective at a layer, one example at a time."""
    slope = [pull(hidden, strength, len(old)) * (w - v) for w, v in zip(new, old, strict=True)]
    for row, d, u in zip(hidden, down, up, strict=True):
        read = [*row, 1.0]
        z = sum(w * h for w, h in zip(new, read, strict=True))
        p = 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))
        slope = [g + (d * p - u * (1 - p)) * h for g, h in zip(slope, read, strict=True)]
    return slope
