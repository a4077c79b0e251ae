// Redraws accuracy against coverage for the chosen system, threshold and costs, from the scores in the page.
(function () {
  "use strict";
  var CURVE_STEP = 10, BOTTOM = 0.7, TOP = 0.95;

  // Counts among the k images of lowest score, for every k: on how many the client is right, and the server.
  function prefixSums(system) {
    var client = [0], server = [0];
    for (var i = 0; i < system.right.length; i += 1) {
      var right = Number(system.right[i]);
      client.push(client[i] + right % 2);
      server.push(server[i] + (right > 1 ? 1 : 0));
    }
    return {r: system.r, n: system.r.length, client: client, server: server};
  }

  // The k that a threshold can send: those at which the next score is larger.
  function reachable(sums, k) { return k === 0 || k === sums.n || sums.r[k - 1] < sums.r[k]; }

  function loss(sums, k, c1, ce) {
    var clientWrong = sums.n - k - (sums.client[sums.n] - sums.client[k]);
    return (clientWrong + c1 * (k - sums.server[k]) + ce * k) / sums.n;
  }

  function accuracy(sums, k) { return (sums.client[sums.n] - sums.client[k] + sums.server[k]) / sums.n; }

  // Of several thresholds of least loss the one that sends fewest, as in Python.
  function leastLoss(sums, c1, ce) {
    var best = 0;
    for (var k = 1; k <= sums.n; k += 1) {
      if (reachable(sums, k) && loss(sums, k, c1, ce) < loss(sums, best, c1, ce) - 1e-15) { best = k; }
    }
    return best;
  }

  function sentImages(sums, share) {
    var k = Math.round(share * sums.n);
    while (!reachable(sums, k)) { k += 1; }
    return k;
  }

  function minus(text) { return text.replace("-", "−"); }

  function cellTexts(number, client, server) {
    if (number === 0) { return ["0", "–", "–", "–"]; }
    return [
      String(number), (100 * client / number).toFixed(1) + " %", (100 * server / number).toFixed(1) + " %",
      minus((100 * (client - server) / number).toFixed(1))
    ];
  }

  l2hFigure("l2h-coverage", function (figure) {
    var part = figure.part, value = figure.value, frame = figure.frame, root = figure.root;
    var systems = figure.data;
    var sums = {};
    Object.keys(systems).forEach(function (name) { sums[name] = prefixSums(systems[name]); });

    function across(coverage) { return frame.x + frame.width * coverage; }
    function down(share) { return frame.y + frame.height * (TOP - share) / (TOP - BOTTOM); }

    function drawCurve(chosen) {
      var points = [];
      for (var k = chosen.n; k >= 0; k -= 1) {
        if ((chosen.n - k) % CURVE_STEP === 0 && reachable(chosen, k)) {
          points.push(across(1 - k / chosen.n).toFixed(1) + "," + down(accuracy(chosen, k)).toFixed(1));
        }
      }
      part("curve").setAttribute("points", points.join(" "));
      part("random").setAttribute("y1", down(accuracy(chosen, chosen.n)).toFixed(1));
      part("random").setAttribute("y2", down(accuracy(chosen, 0)).toFixed(1));
    }

    function place(name, horizontal, vertical, offset, chosen, k) {
      part(name).setAttribute(horizontal, (across(1 - k / chosen.n) - offset).toFixed(1));
      part(name).setAttribute(vertical, (down(accuracy(chosen, k)) - offset).toFixed(1));
    }

    function showCells(chosen, k) {
      var kept = chosen.n - k, all = chosen.n;
      var rows = {
        kept: cellTexts(kept, chosen.client[all] - chosen.client[k], chosen.server[all] - chosen.server[k]),
        asked: cellTexts(k, chosen.client[k], chosen.server[k])
      };
      Object.keys(rows).forEach(function (name) {
        rows[name].forEach(function (text, column) { part(name + "-" + column).textContent = text; });
      });
    }

    function draw() {
      var name = part("system").value, chosen = sums[name], c1 = value("c1"), ce = value("ce");
      var k = sentImages(chosen, value("share")), best = leastLoss(chosen, c1, ce);
      var threshold = k === 0 ? "−∞" : minus(chosen.r[k - 1].toFixed(4));
      var numbers = {
        accuracy: accuracy(chosen, k), coverage: 1 - k / chosen.n, loss: loss(chosen, k, c1, ce),
        least: loss(chosen, best, c1, ce), never: loss(chosen, 0, c1, ce), always: loss(chosen, chosen.n, c1, ce)
      };
      drawCurve(chosen);
      place("point", "cx", "cy", 0, chosen, k);
      place("least", "x", "y", 7, chosen, best);
      showCells(chosen, k);
      Object.keys(numbers).forEach(function (number) {
        part(number + "-0").textContent = numbers[number].toFixed(4);
        root.dataset[number] = numbers[number];
      });
      part("value-share").textContent = threshold;
      part("share").setAttribute("aria-valuetext", "t = " + threshold + ", " + (100 * k / chosen.n).toFixed(1) + " % sent");
      part("value-c1").textContent = c1.toFixed(2);
      part("value-ce").textContent = ce.toFixed(2);
      part("summary").textContent = "With the threshold t = " + threshold + ", " + name + " sends " +
        (100 * k / chosen.n).toFixed(1) + " % of the images: accuracy " + (100 * numbers.accuracy).toFixed(2) +
        " %, system loss " + numbers.loss.toFixed(4) + " at c1 = " + c1.toFixed(2) + " and ce = " + ce.toFixed(2) +
        ". The least loss of any threshold on these images is " + numbers.least.toFixed(4) + ", where it sends " +
        (100 * best / chosen.n).toFixed(1) + " %.";
    }

    return draw;
  });
})();
