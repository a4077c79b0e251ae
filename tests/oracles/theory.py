"""Every formula once more, plainly, in NumPy or mpmath, without importing l2h.

Sections follow the modules; each function says which equation it implements.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
from mpmath import mp
from scipy.integrate import quad
from scipy.stats import chi2, norm
from scipy.stats import t as student

# --- losses ---------------------------------------------------------------------------------------------------------


def generalized_zero_one(r, e, m, y, c1, ce):
    """Equation (1) with conventions C1 and C2, one example at a time, case by case."""
    losses = []
    for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True):
        if r_i > 0:
            losses.append(1.0 if m_i != y_i else 0.0)
        else:
            label = 1 if e_i >= 0 else -1
            losses.append(ce + (c1 if label != y_i else 0.0))
    return np.array(losses)


def surrogate(r, e, m, y, c1, ce, alpha, beta):
    """The surrogate L_S as quoted, in double precision, one example at a time."""
    return np.array(
        [
            c1 * math.exp(beta / 2 * (-e_i * y_i - r_i))
            + ce * math.exp(-r_i)
            + (math.exp(alpha * r_i) if m_i * y_i <= 0 else 0.0)
            for r_i, e_i, m_i, y_i in zip(r, e, m, y, strict=True)
        ]
    )


# --- evaluate, curves, crossed, comparisons -------------------------------------------------------------------------


def label(e_i):
    """Convention C2 for one score, or the first largest of a row of scores."""
    if np.ndim(e_i) == 0:
        return 1 if e_i >= 0 else -1
    return max(range(len(e_i)), key=lambda k: e_i[k])


def share_kept_at(r, i, coverage):
    """Probability to keep example i when the best share `coverage` is kept and ties are drawn by lot."""
    room = coverage * len(r)
    for score in sorted(set(r), reverse=True):
        tied = sum(1 for r_j in r if r_j == score)
        if r[i] == score:
            return min(max(room, 0.0), tied) / tied
        room -= tied
    raise AssertionError("unreachable: example i has one of the scores")


def accuracy_at(m, r, e, y, coverage):
    """Expected accuracy of the system when the best share `coverage` is kept, example by example."""
    right = 0.0
    for i in range(len(y)):
        share = share_kept_at(r, i, coverage)
        right += share * (m[i] == y[i]) + (1 - share) * (label(e[i]) == y[i])
    return right / len(y)


def loss_above(m, r, e, y, threshold, c1, ce):
    """Mean generalized 0-1 loss when r > threshold keeps: equation (1) with the threshold for 0."""
    total = 0.0
    for m_i, r_i, e_i, y_i in zip(m, r, e, y, strict=True):
        if r_i > threshold:
            total += 1.0 if m_i != y_i else 0.0
        else:
            total += ce + (c1 if label(e_i) != y_i else 0.0)
    return total / len(y)


def area(m, r, e, y):
    """Area under accuracy against coverage: Simpson's rule, exact on each of the n linear pieces [j/n, (j+1)/n]."""
    n, total = len(y), 0.0
    for j in range(n):
        left, middle, right = (accuracy_at(m, r, e, y, (j + step) / n) for step in (0.0, 0.5, 1.0))
        total += (left + 4 * middle + right) / (6 * n)
    return total


def loss_at(m, r, e, y, coverage, c1, ce):
    """Expected generalized 0-1 loss when the best share `coverage` is kept, example by example."""
    total = 0.0
    for i in range(len(y)):
        share = share_kept_at(r, i, coverage)
        total += share * (m[i] != y[i]) + (1 - share) * (ce + c1 * (label(e[i]) != y[i]))
    return total / len(y)


def loss_area(m, r, e, y, c1, ce):
    """Area under loss against coverage: the loss is linear on each [j/n, (j+1)/n], so its middle is its mean there."""
    n = len(y)
    return sum(loss_at(m, r, e, y, (j + 0.5) / n, c1, ce) for j in range(n)) / n


def four_cells(m, r, e, y):
    """Two rows (kept, asked) of n, accuracy of m, accuracy of e and their difference; NaN where there is nothing."""
    rows = []
    for keep in (True, False):
        part = [i for i in range(len(y)) if (r[i] > 0) == keep]
        if not part:
            rows.append((0, math.nan, math.nan, math.nan))
            continue
        of_m = sum(1 for i in part if m[i] == y[i]) / len(part)
        of_e = sum(1 for i in part if label(e[i]) == y[i]) / len(part)
        rows.append((len(part), of_m, of_e, of_m - of_e))
    return rows


def mean_squares(values):
    """Sums of squares of a two-way table, one cell at a time, divided by their degrees of freedom."""
    seeds, n = len(values), len(values[0])
    whole = sum(map(sum, values)) / seeds / n
    rows = [sum(row) / n - whole for row in values]
    columns = [sum(row[i] for row in values) / seeds - whole for i in range(n)]
    rest = sum((values[s][i] - whole - rows[s] - columns[i]) ** 2 for s in range(seeds) for i in range(n))
    of_rows, of_columns = n * sum(d**2 for d in rows), seeds * sum(d**2 for d in columns)
    return of_rows / (seeds - 1), of_columns / (n - 1), rest / (seeds - 1) / (n - 1)


def crossed_half_width(values, level):
    """Cochran and Cox on a two-way table; the residual stands for rows whose mean square is at most its null median."""
    seeds, n = len(values), len(values[0])
    of_rows, of_columns, rest = mean_squares(values)
    beyond = max(of_columns - rest, 0)

    def half(first, df):
        parts = [(first, df), (beyond, n - 1)]
        weighted = sum(part * student.ppf((1 + level) / 2, df) for part, df in parts)
        return weighted / sum(part for part, _ in parts) * math.sqrt(sum(part for part, _ in parts) / seeds / n)

    pooled = half(rest, (seeds - 1) * (n - 1))
    if of_rows / rest <= chi2.median(seeds - 1) / (seeds - 1):
        return pooled
    return max(pooled, half(of_rows, seeds - 1))


def simultaneous_half_widths(family, level, draws, seed):
    """Half-widths of one level at which simulated families with the estimated covariances are covered together."""
    k, seeds, n = np.shape(family)
    centred = np.array(family) - np.mean(family, axis=(1, 2), keepdims=True)
    rows, columns = centred.mean(axis=2), centred.mean(axis=1)
    rest = (centred - rows[:, :, None] - columns[:, None]).reshape(k, -1)
    of_rows, of_columns = n * rows @ rows.T / (seeds - 1), seeds * columns @ columns.T / (n - 1)
    of_rest = rest @ rest.T / (seeds - 1) / (n - 1)
    first = np.maximum(np.diag(of_rows), np.diag(of_rest))
    second = np.maximum(np.diag(of_columns - of_rest), 0)

    def rescaled(matrix, variances):
        eigenvalues, vectors = np.linalg.eigh(matrix)
        nearest = vectors @ np.diag(np.maximum(eigenvalues, 0)) @ vectors.T
        scale = np.sqrt(variances / np.maximum(np.diag(nearest), 1e-300))
        return nearest * np.outer(scale, scale)

    generator, zero = np.random.default_rng(seed), np.zeros(k)
    row_effects = generator.multivariate_normal(zero, rescaled(of_rows + (n - 1) * of_rest, first), (draws, seeds))
    column_effects = generator.multivariate_normal(zero, rescaled(of_columns - of_rest, second), draws)
    means = abs(row_effects.sum(axis=1) / math.sqrt(seeds) + column_effects)
    drawn = np.maximum(row_effects.var(axis=1, ddof=1), np.diag(of_rest))

    def half(part, miss):
        quantiles = student.ppf(1 - miss / 2, seeds - 1), student.ppf(1 - miss / 2, n - 1)
        return (part * quantiles[0] + second * quantiles[1]) / np.sqrt(part + second)

    levels = np.geomspace((1 - level) / 10 / k, 1 - level, 200)
    enough = max(
        (miss for miss in levels if (means <= half(drawn, miss)).all(axis=1).mean() >= level), default=levels[0]
    )
    return half(first, enough) / math.sqrt(seeds * n)


# --- complexities and Theorem 1 -------------------------------------------------------------------------------------


def threshold_functions(x, two_sided):
    """Every labelling of the points by sign(x - t), and by sign(t - x) if two-sided."""
    cuts = [-np.inf, *sorted(set(x))]
    upward = [[1 if value > cut else -1 for value in x] for cut in cuts]
    return upward + [[-label for label in labels] for labels in upward] if two_sided else upward


def stump_functions(x):
    """Two-sided thresholds on each column of x."""
    return [labels for feature in np.transpose(x) for labels in threshold_functions(list(feature), True)]


def rademacher(functions):
    """The definition: the mean over all sign vectors of the best correlation with a function."""
    n = len(functions[0])
    best = [max(np.dot(signs, f) for f in functions) for signs in itertools.product((-1, 1), repeat=n)]
    return sum(best) / 2**n / n


def stated_penalty(rad_r, rad_e, c1, ce, n, delta):
    """Theorem 1 as quoted in the summary."""
    return (ce + c1 + 1) * rad_r + c1 * rad_e + 3 * math.sqrt((c1 + ce) ** 2 * math.log(2 / delta) / (2 * n))


def corrected_penalty(rad_r, rad_e, c1, ce, n, delta):
    """Theorem 1 with twice the complexity of the loss class and McDiarmid's 3 b / n differences."""
    # L = const + r (B/2 - c1/4 - ce/2) - c1/4 ye + c1/4 y er, and er = |e + r| - 1
    slope = max(abs(b / 2 - c1 / 4 - ce / 2) for b in (0, 1))
    complexity = slope * rad_r + c1 / 4 * rad_e + c1 / 4 * (rad_e + rad_r)
    return 2 * complexity + 3 * max(1, c1 + ce) * math.sqrt(math.log(1 / delta) / (2 * n))


def loss_class(functions_r, functions_e, errors, y, c1, ce):
    """The losses of every pair (r, e) on a sample, by the case distinction."""
    return [
        [errors[i] if r[i] > 0 else ce + c1 * (e[i] != y[i]) for i in range(len(y))]
        for r in functions_r
        for e in functions_e
    ]


def binomial_tail(n, p, largest):
    """P(Bin(n, p) <= largest) as an exact fraction."""
    p = Fraction(p)
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(largest + 1))


def failure_on_one_atom(n, p, c1, ce, penalty):
    """P(keeping or asking exceeds its empirical risk by more than the penalty), count by count."""
    law = [math.comb(n, k) * 0.5**n for k in range(n + 1)]
    errors = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    keep = sum(weight for k, weight in enumerate(errors) if p - k / n > penalty)
    ask = sum(weight for k, weight in enumerate(law) if c1 / 2 - c1 * min(k, n - k) / n > penalty)
    return keep + ask - keep * ask


def line_gap(x, errors, y, p, c1, ce, two_sided, grid):
    """Largest risk minus empirical risk over thresholds of r and e on a grid, literally; x uniform on [0, 1]."""
    signs = (1, -1) if two_sided else (1,)
    gaps = []
    for s, sign_r in itertools.product(grid, signs):
        mass = s if sign_r > 0 else 1 - s  # of the asked part
        risk = p * (1 - mass) + mass * (c1 / 2 + ce)
        keeps = [sign_r * (value - s) > 0 for value in x]
        for t, sign_e in itertools.product(grid, signs):
            labels = [sign_e if value > t else -sign_e for value in x]
            losses = [
                float(error) if keep else ce + c1 * (label != truth)
                for keep, error, label, truth in zip(keeps, errors, labels, y, strict=True)
            ]
            gaps.append(risk - sum(losses) / len(x))
    return max(gaps)


def stump_gap(x, errors, y, p, c1, ce):
    """sup (R - R_hat) over stumps r and e on any feature: every cut at and beside every value, every labelling."""
    n = len(y)
    servers = [labels for labels in stump_functions(x)]
    best = -np.inf
    for feature in np.transpose(x):
        for cut in [0.0, 1.0, *feature, *(feature - 1e-12)]:
            for asked, share in (
                ([value <= cut for value in feature], cut),
                ([value > cut for value in feature], 1 - cut),
            ):
                risk = p + share * (c1 / 2 + ce - p)
                for server in servers:
                    paid = [
                        ce + (c1 if label != y_i else 0) if ask else float(wrong)
                        for ask, label, y_i, wrong in zip(asked, server, y, errors, strict=True)
                    ]
                    best = max(best, risk - sum(paid) / n)
    return best


def ball_gap(angle, errors, y, p, c1, ce, directions, rho):
    """The largest expected minus mean margin loss over pairs of unit vectors at so many equal angles, one by one."""

    def ramp(t):
        return min(max(1 + t, 0), 1)

    def loss(r, e, wrong, label):
        return wrong * ramp(r / rho) + ce * ramp(-r / rho) + c1 * ramp(-(e * label + r) / (2 * rho))

    best, turns = -np.inf, [2 * math.pi * k / directions for k in range(directions)]
    circle = [2 * math.pi * (k + 0.5) / 3000 for k in range(3000)]
    for apart in range(directions):
        risk = 0.0
        for a in circle:
            r, e = math.cos(a), math.cos(a - turns[apart])
            risk += (loss(r, e, p, 1) + loss(r, e, p, -1)) / 2 / len(circle)
        for of_r in turns:
            total = 0.0
            for a, wrong, y_i in zip(angle, errors, y, strict=True):
                total += loss(math.cos(a - of_r), math.cos(a - of_r - turns[apart]), wrong, y_i)
            best = max(best, risk - total / len(y))
    return best


# --- bayes, testbeds --------------------------------------------------------------------------------------------------


def action_costs(eta, p, c1, ce):
    """Conditional 0-1 risk of each action, from the joint law of (Y, [M≠Y]) given x, outcome by outcome."""
    costs = {"keep": 0, ("ask", 1): 0, ("ask", -1): 0}
    for y, wrong in itertools.product((1, -1), (True, False)):
        mass = (eta if y > 0 else 1 - eta) * (p if wrong else 1 - p)
        costs["keep"] += mass * (1 if wrong else 0)
        for label in (1, -1):
            costs["ask", label] += mass * (ce + (c1 if label != y else 0))
    return costs


def best_system(masses, etas, answers, c1, ce):
    """The least risk over all 4^k pairs of a rejector and a server on k points, with its number of attempts."""
    risks = []
    for system in itertools.product(itertools.product((True, False), (1, -1)), repeat=len(masses)):
        risk = 0
        for mass, eta, m, (ask, label) in zip(masses, etas, answers, system, strict=True):
            for y, weight in ((1, eta), (-1, 1 - eta)):
                risk += mass * weight * ((ce + c1 * (label != y)) if ask else (m != y))
        risks.append(risk)
    return min(risks)


def several_action_costs(law, servers):
    """Conditional 0-1 risk of keeping and of asking each server, from {(y, m, labels of the servers): probability}."""
    risks = [0] * (len(servers) + 1)
    for (y, m, labels), probability in law.items():
        risks[0] += probability * (1 if m != y else 0)
        for j, ((c1, ce), label) in enumerate(zip(servers, labels, strict=True), 1):
            risks[j] += probability * (ce + (c1 if label != y else 0))
    return risks


def risks_of_all_routings(masses, laws, servers):
    """Every rule that maps each point to an action, with its risk: (k + 1)^n rules on n points."""
    costs = [several_action_costs(law, servers) for law in laws]
    return {
        actions: sum(mass * cost[a] for mass, cost, a in zip(masses, costs, actions, strict=True))
        for actions in itertools.product(range(len(servers) + 1), repeat=len(masses))
    }


def least_risk_with_trained_servers(masses, etas, ps, servers):
    """The least risk over every routing and every labelling by k servers that see x, two classes or more."""
    best = None
    classes, k = len(etas[0]), len(servers)
    for actions in itertools.product(range(k + 1), repeat=len(masses)):
        for labels in itertools.product(itertools.product(range(classes), repeat=k), repeat=len(masses)):
            risk = 0
            for mass, eta, p, action, label in zip(masses, etas, ps, actions, labels, strict=True):
                c1, ce = servers[action - 1]
                risk += mass * (p if action == 0 else ce + c1 * (1 - eta[label[action - 1]]))
            best = risk if best is None else min(best, risk)
    return best


def ask_threshold(c1, ce):
    """The zero of D(p) = p - c1 min(p, 1 - p) - ce on (0, 1], by bisection at 50 digits, from the right."""
    low, high = mp.mpf(0), mp.mpf(1)
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (low, middle) if middle - c1 * min(middle, 1 - middle) - ce > 0 else (middle, high)
    return high


def gaussians_bayes_risk(t, c1, ce):
    """T1: E min(p, c1 mu + ce), quadrature at 30 digits between every possible kink."""
    with mp.workdps(30):
        c1, ce, t = mp.mpf(c1), mp.mpf(ce), mp.mpf(t)

        def integrand(x):
            eta = 1 / (1 + mp.exp(-2 * x))
            p = eta if x <= t else 1 - eta
            return (mp.npdf(x, 1) + mp.npdf(x, -1)) / 2 * min(p, c1 * min(eta, 1 - eta) + ce)

        level = ask_threshold(c1, ce)
        turns = [mp.log(level / (1 - level)) / 2] if 0 < level < 1 else []
        inner = sorted({mp.mpf(0), t, *turns, *(-turn for turn in turns)})
        edges = [mp.mpf(-14), *(x for x in inner if abs(x) < 14), mp.mpf(14)]
        return float(mp.fsum(mp.quad(lambda x: integrand(x), [a, b]) for a, b in itertools.pairwise(edges)))


def gaussians_closed_form(t, c1, ce):
    """T1 by normal distribution functions, for c1 + 2 ce >= 1; -x mirrors the classes, so that only |t| counts."""
    t = abs(t)
    gain, level = 0.0, (c1 + ce) / (1 + c1)
    boundary = math.log(level / (1 - level)) / 2 if level < 1 else math.inf
    if boundary < t:
        gain = (1 - ce) * (norm.cdf(t - 1) - norm.cdf(boundary - 1))
        gain -= (c1 + ce) * (norm.cdf(t + 1) - norm.cdf(boundary + 1))
    return (norm.cdf(t - 1) + norm.sf(t + 1)) / 2 - gain / 2


def xor_bayes_risk(c1, ce):
    """T2: closed form over the second coordinate, quadrature over the first; 0 < p_t < 1."""
    level = float(ask_threshold(c1, ce))

    def mass(label, u, low, high):
        """Mass of (u, |v| in [low, high], Y = label)."""
        if label > 0:
            return (norm.pdf(u - 2) + norm.pdf(u + 2)) / 2 * (norm.cdf(high) - norm.cdf(low))
        return norm.pdf(u) / 2 * (norm.cdf(high - 2) - norm.cdf(low - 2) + norm.cdf(high + 2) - norm.cdf(low + 2))

    def risk(u):
        odds = (1 - level) / level if u <= 0.5 else level / (1 - level)
        turn = math.acosh(max(1.0, math.cosh(2 * u) * odds)) / 2
        if u <= 0.5:  # the client says -1: it keeps far out, and asks for |v| < turn
            kept, low, high = mass(1, u, turn, np.inf), 0.0, turn
        else:  # it says +1: it asks for |v| > turn
            kept, low, high = mass(-1, u, 0, turn), turn, np.inf
        middle = min(max(abs(u), low), high)  # eta > 1/2 where |v| < |u|
        wrong = mass(-1, u, low, middle) + mass(1, u, middle, high)
        asked = mass(1, u, low, high) + mass(-1, u, low, high)
        return kept + ce * asked + c1 * wrong

    appear = [math.acosh(odds) / 2 for odds in ((1 - level) / level, level / (1 - level)) if odds > 1]
    edges = sorted({-10.0, 0.0, 0.5, 10.0, -2.0, 2.0, *appear, *(-u for u in appear)})
    return sum(quad(risk, a, b, epsabs=1e-13, epsrel=1e-12, limit=200)[0] for a, b in itertools.pairwise(edges))


def logistic_bayes_risk(c1, ce):
    """T3: the midpoint rule on 4 million cells, error about h^2 at each kink."""
    h = 2 / 4_000_000
    x = -1 + h * (np.arange(4_000_000) + 0.5)
    eta = 1 / (1 + np.exp(-4 * x))
    p = 0.05 + 0.55 / (1 + np.exp(-12 * (x - 0.2)))
    return float(np.minimum(p, c1 * np.minimum(eta, 1 - eta) + ce).sum() * h / 2)


def specialist_servers(c1, ce):
    """T5: for each server sign(t - x) and sign(x - t), t in {0, 1/20, ..., 1}: (its error, the best risk with it)."""
    found = {}
    for k, sign in itertools.product(range(21), (1, -1)):
        t = Fraction(k, 20)
        edges = sorted({Fraction(0), Fraction(9, 20), Fraction(3, 4), Fraction(1), t})
        error = risk = Fraction(0)
        for a, b in itertools.pairwise(edges):
            middle = (a + b) / 2
            likelier = 1 if middle <= Fraction(9, 20) or middle > Fraction(3, 4) else -1
            answer = 1 if middle <= Fraction(9, 20) else -1
            server = sign if middle < t else -sign
            p, q = (Fraction(1, 20) if label == likelier else Fraction(19, 20) for label in (answer, server))
            error += (b - a) * q
            risk += (b - a) * min(p, c1 * q + ce)
        found[t, sign] = (error, risk)
    return found


# --- conditional, calibration, regret, transfer -----------------------------------------------------------------------


def conditional_surrogate(r, e, eta, p, c1, ce, alpha, beta):
    """W(r, e): the expectation of L_S over the joint law of (Y, [M≠Y]) given x, outcome by outcome, at 50 digits."""
    with mp.workdps(50):
        r, e, eta, p, c1, ce, alpha, beta = map(mp.mpf, (r, e, eta, p, c1, ce, alpha, beta))
        total = mp.mpf(0)
        for y, wrong in itertools.product((1, -1), (True, False)):
            mass = (eta if y > 0 else 1 - eta) * (p if wrong else 1 - p)
            loss = c1 * mp.exp(beta / 2 * (-e * y - r)) + ce * mp.exp(-r) + (mp.exp(alpha * r) if wrong else 0)
            total += mass * loss
        return total


def reduced_surrogate(r, eta, p, c1, ce, alpha, beta, bounded=False):
    """F(r) = W(r, e) at the best e, put in from its formula (or its clip to [-1, 1])."""
    with mp.workdps(50):
        eta, beta = mp.mpf(eta), mp.mpf(beta)
        e = mp.mpf(400) / beta * (1 if eta > 0.5 else -1) if eta in (0, 1) else mp.log(eta / (1 - eta)) / beta
        return conditional_surrogate(r, min(max(e, -1), 1) if bounded else e, eta, p, c1, ce, alpha, beta)


def slope(r, mu, p, c1, ce, alpha, beta):
    """F'(r) of F(r) = c1 s e^{-beta r/2} + ce e^{-r} + p e^{alpha r}, at 50 digits."""
    with mp.workdps(50):
        r, mu, p, c1, ce, alpha, beta = map(mp.mpf, (r, mu, p, c1, ce, alpha, beta))
        pull = beta * c1 * mp.sqrt(mu * (1 - mu)) * mp.exp(-beta * r / 2) + ce * mp.exp(-r)
        return alpha * p * mp.exp(alpha * r) - pull


def best_r(mu, p, c1, ce, alpha, beta):
    """The zero of F', by bisection at 50 digits."""
    with mp.workdps(50):
        low, high = mp.mpf(-20000), mp.mpf(20000)
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle, mu, p, c1, ce, alpha, beta) < 0 else (low, middle)
        return float(low)


def g(u, c1, ce, beta):
    """The function behind both calibrated alphas, at 50 digits."""
    with mp.workdps(50):
        u, c1, ce, beta = map(mp.mpf, (u, c1, ce, beta))
        return (beta * c1 * mp.sqrt(u * (1 - u)) + ce) / (c1 * u + ce)


def alpha_from_p(p, c1, ce, beta):
    """Calibration (B), branch by branch."""
    with mp.workdps(50):
        p, c1, ce, beta = map(mp.mpf, (p, c1, ce, beta))
        if p <= ce:
            return mp.mpf(1)
        if p >= ce + c1 / 2:
            return (beta * c1 + 2 * ce) / (c1 + 2 * ce)
        return (ce + beta * mp.sqrt((p - ce) * (c1 - p + ce))) / p


def alpha_deterministic(c1, ce, beta):
    """The alpha with F'(0) = 0 where D(p) changes its sign."""
    with mp.workdps(50):
        p = ask_threshold(mp.mpf(c1), mp.mpf(ce))
        return (mp.mpf(beta) * c1 * mp.sqrt(p * (1 - p)) + ce) / p


def alpha_released(p, c1, ce, beta):
    """The released code's expression, with its radicand multiplied out."""
    with mp.workdps(50):
        p, c1, ce, beta = map(mp.mpf, (p, c1, ce, beta))
        return beta * (ce + mp.sqrt(4 * c1 * (p - ce) - 4 * p**2 + 8 * ce * p - 4 * ce**2)) / (2 * p)


def effective_threshold(alpha, c1, ce, beta):
    """Where alpha p - beta c1 sqrt(p (1 - p)) - ce becomes positive, by bisection at 50 digits."""
    with mp.workdps(50):
        low, high = mp.mpf(0), mp.mpf(1)
        for _ in range(150):
            middle = (low + high) / 2
            asks = alpha * middle - beta * c1 * mp.sqrt(middle * (1 - middle)) - ce > 0
            low, high = (low, middle) if asks else (middle, high)
        return float(high)


def transfer_factors(c1, ce, beta):
    """(2 c1 + 1/kA of theorem A, 8/min(k4, 1/(2 c1^3)) of theorem B, 2 c1 + 1/kC of theorem C), 0 < c1, 0 < ce < 1.

    With every minimum as first proved; two of them turn out never to count.
    """
    a = min(1, (beta * c1 + 2 * ce) / (c1 + 2 * ce))
    k_a = min(1, a**2, 4 * a**2 / beta**2) / (2 * (1 + c1 + ce))
    u = np.linspace(0, 0.5, 200_001)
    top = ((beta * c1 * np.sqrt(u * (1 - u)) + ce) / (c1 * u + ce)).max()
    k = min(min(1, beta) / (ce + c1 / 2), beta / c1, (beta * c1 / 2 + ce) / (2 * ce + c1), beta / (2 * c1))
    k_4 = k**2 / (2 * max(1, beta**2 / 4, top**2) * (1 + c1 + ce))
    alpha = float(alpha_deterministic(c1, ce, beta))
    k = min(1, alpha / (1 + c1))
    if c1 + 2 * ce > 1 + 1e-6:
        k = min(k, (beta * c1 + 2 * ce - alpha) / (c1 + 2 * ce - 1))
    k_c = k**2 / (2 * max(1, beta**2 / 4, alpha**2) * (1 + c1 + ce))
    return 2 * c1 + 1 / k_a, 8 / min(k_4, 1 / (2 * c1**3)), 2 * c1 + 1 / k_c


# --- certify ----------------------------------------------------------------------------------------------------------


def single_pair_penalty(c1, ce, n, delta):
    """Theorem 1 as quoted for one pair (r, e), whose complexities are 0, at 50 digits."""
    with mp.workdps(50):
        return 3 * (mp.mpf(c1) + ce) * mp.sqrt(mp.log(2 / mp.mpf(delta)) / (2 * n))


def stage_objective(e, s, etas, p, c1, ce):
    """The joint multi-class objective given x: cross-entropy of e, and of the two stages with their weights."""

    def log_softmax(scores):
        total = mp.log(sum(mp.exp(score) for score in scores))
        return [score - total for score in scores]

    with mp.workdps(50):
        label = max(range(len(e)), key=lambda k: e[k])
        keep, ask = log_softmax([mp.mpf(score) for score in s])
        server = -sum(eta * value for eta, value in zip(etas, log_softmax([mp.mpf(v) for v in e]), strict=True))
        weight = 1 - ce - c1 * (1 - etas[label])
        return server - (1 - p) * keep - weight * ask


def stage_minimum(etas, p, c1, ce, label):
    """Its infimum over servers with this label among two, by a search over both score differences."""

    def over_stages(gap):
        e = (gap, 0) if label == 0 else (0, gap)
        ask_weight = 1 - ce - c1 * (1 - etas[label])
        return stage_objective(e, (mp.log(1 - p), mp.log(ask_weight)), etas, p, c1, ce)

    return min(over_stages(mp.mpf(k) / 100 + mp.mpf(10) ** -12) for k in range(800))


def logistic_client(x, ce):
    """T3 at x: the gain of asking p - mu - ce and the alpha above which the surrogate asks, beta = 2, c1 = 1."""
    eta = 1 / (1 + math.exp(-4 * x))
    mu, p = min(eta, 1 - eta), 0.05 + 0.55 / (1 + math.exp(-12 * (x - 0.2)))
    return p - mu - ce, (2 * math.sqrt(mu * (1 - mu)) + ce) / p


# --- how well probabilities fit ---------------------------------------------------------------------------------------


def calibration_error(p, happened, bins):
    """Equal probabilities go together into the bin where the middle of their ranks falls."""
    order = sorted(p)
    cells = {}
    for p_i, h_i in zip(p, happened, strict=True):
        first = order.index(p_i)
        middle = first + order.count(p_i) / 2
        cells.setdefault(min(int(middle * bins / len(p)), bins - 1), []).append((p_i, h_i))
    return sum(abs(sum(a for a, _ in cell) - sum(b for _, b in cell)) for cell in cells.values()) / len(p)
