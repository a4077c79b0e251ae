// Redraws the surrogate risk for the values of the sliders; the formulas are those of l2h.theory.conditional_risk.
(function () {
  "use strict";
  var TIE = 1e-12, HIGHEST_DRAWN = 6, N_SCORES = 81, STATIONARITY_STEPS = 12;

  function minServerTerm(mu) { return 2 * Math.sqrt(mu * (1 - mu)); }

  function partialMinRisk(r, at) {
    var s = minServerTerm(at.mu);
    return at.c1 * s * Math.exp(-at.beta / 2 * r) + at.ce * Math.exp(-r) + (at.p > 0 ? at.p * Math.exp(at.alpha * r) : 0);
  }

  function logAddExp(a, b) {
    var larger = Math.max(a, b);
    return larger === -Infinity ? larger : larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
  }

  // Newton's method on the logarithms of both sides of F'(r) = 0, as in Python.
  function minimiserR(at) {
    if (at.p === 0) { return Infinity; }
    var logServer = Math.log(at.beta / 2 * at.c1 * minServerTerm(at.mu)), logAsk = Math.log(at.ce);
    var logClient = Math.log(at.alpha) + Math.log(at.p), r = 0;
    for (var step = 0; step < STATIONARITY_STEPS; step += 1) {
      var total = logAddExp(logServer - at.beta / 2 * r, logAsk - r);
      var share = Math.exp(logServer - at.beta / 2 * r - total);
      r -= (logClient + at.alpha * r - total) / (at.alpha + share * at.beta / 2 + 1 - share);
    }
    return r;
  }

  function calibratedAlpha(u, at) {
    return (at.beta / 2 * at.c1 * minServerTerm(u) + at.ce) / (at.c1 * u + at.ce);
  }

  function numbersAt(at) {
    var slope = at.alpha * at.p - at.beta / 2 * at.c1 * minServerTerm(at.mu) - at.ce;
    var gain = at.p - (at.c1 * at.mu + at.ce);
    var gainAfterClip = Math.min(Math.max(at.p - at.ce, 0), at.c1 / 2);
    return {
      r: minimiserR(at),
      e: Math.log(at.eta / (1 - at.eta)) / at.beta,
      slope: slope,
      gain: gain,
      excess: (slope >= -TIE) !== (gain >= -TIE) && Math.abs(gain) > TIE ? Math.abs(gain) : 0,
      "from-mu": calibratedAlpha(at.mu, at),
      "from-p": calibratedAlpha(at.c1 > 0 ? gainAfterClip / at.c1 : gainAfterClip, at)
    };
  }

  function numberText(value) {
    if (Math.abs(value) === Infinity) { return value > 0 ? "∞" : "−∞"; }
    var text = Math.abs(value).toFixed(2);
    return value < 0 && Number(text) > 0 ? "−" + text : text;
  }

  function summary(at, numbers) {
    var action = numbers.slope >= -TIE ? "ask" : "keep", bayes = numbers.gain >= -TIE ? "ask" : "keep";
    var agreement = numbers.excess === 0 ? "as the Bayes rule does" :
      "where the Bayes rule would " + bayes + ", with an excess risk of " + numberText(numbers.excess);
    return "At alpha = " + at.alpha.toFixed(2) + ", beta = " + at.beta.toFixed(1) + ", p = " + at.p.toFixed(2) +
      " and eta = " + at.eta.toFixed(2) + " the surrogate is smallest at r = " + numberText(numbers.r) + " and e = " +
      numberText(numbers.e) + ": its minimiser would " + action + ", " + agreement + ".";
  }

  l2hFigure("l2h-surrogate", function (figure) {
    var part = figure.part, value = figure.value, frame = figure.frame, root = figure.root;
    var costs = figure.data;
    var decimals = {alpha: 2, beta: 1, p: 2, eta: 2};

    function across(r) { return frame.x + frame.width * (r + 2) / 4; }
    function down(risk) { return frame.y + frame.height * (1 - risk / 3); }

    function drawCurve(at) {
      var points = [];
      for (var i = 0; i < N_SCORES; i += 1) {
        var r = -2 + 4 * i / (N_SCORES - 1);
        var risk = Math.min(partialMinRisk(r, at), HIGHEST_DRAWN);
        points.push(across(r).toFixed(1) + "," + down(risk).toFixed(1));
      }
      part("curve").setAttribute("points", points.join(" "));
    }

    function drawLevel(name, risk) {
      part(name).setAttribute("y1", down(risk).toFixed(1));
      part(name).setAttribute("y2", down(risk).toFixed(1));
    }

    function draw() {
      var at = {c1: costs.c1, ce: costs.ce};
      Object.keys(decimals).forEach(function (name) {
        at[name] = value(name);
        part("value-" + name).textContent = at[name].toFixed(decimals[name]);
      });
      at.mu = Math.min(at.eta, 1 - at.eta);
      var numbers = numbersAt(at), shownR = Math.min(Math.max(numbers.r, -2), 2);
      drawCurve(at);
      drawLevel("asked", at.p - numbers.gain);
      drawLevel("kept", at.p);
      part("point").setAttribute("cx", across(shownR).toFixed(1));
      part("point").setAttribute("cy", down(Math.min(partialMinRisk(shownR, at), 3)).toFixed(1));
      Object.keys(numbers).forEach(function (name) {
        part(name + "-0").textContent = numberText(numbers[name]);
        root.dataset[name.replace("-", "")] = numbers[name];
      });
      part("summary").textContent = summary(at, numbers);
    }

    return draw;
  });
})();
