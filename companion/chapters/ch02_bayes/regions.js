// Redraws the decision regions for the values of the sliders; the formulas are those of l2h.theory.bayes.
(function () {
  "use strict";

  function regionAreas(c1, ce) {
    var keep = ce >= 1 ? 1 : ce + c1 / 2 <= 1 ? ce + c1 / 4 : 1 - (1 - ce) * (1 - ce) / c1;
    return {keep: keep, minus: (1 - keep) / 2, plus: (1 - keep) / 2};
  }

  function askThreshold(c1, ce) {
    return c1 + 2 * ce >= 1 ? (c1 + ce) / (1 + c1) : ce / (1 - c1);
  }

  function decisionBoundary(c1, ce) {
    var corners = [0, 0.5, 1];
    var etaAtOne = (1 - ce) / c1;
    if (ce < 1 && 1 < ce + c1 / 2) {
      corners = [0, etaAtOne, 0.5, 1 - etaAtOne, 1];
    }
    return corners.map(function (eta) {
      return [eta, Math.min(1, c1 * Math.min(eta, 1 - eta) + ce)];
    });
  }

  function decisionRegions(boundary) {
    var left = boundary.filter(function (corner) { return corner[0] <= 0.5; });
    var right = boundary.filter(function (corner) { return corner[0] >= 0.5; });
    return {
      keep: boundary.concat([[1, 0], [0, 0]]),
      minus: left.concat([[0.5, 1], [0, 1]]),
      plus: right.concat([[1, 1], [0.5, 1]])
    };
  }

  function start(root) {
    function part(name) { return root.querySelector("[data-part=" + name + "]"); }
    function value(name) { return Number(part(name).value); }

    var frame = part("frame");
    var side = Number(frame.getAttribute("width"));
    var originX = Number(frame.getAttribute("x"));
    var originY = Number(frame.getAttribute("y")) + side;

    function points(corners) {
      return corners.map(function (corner) {
        return (originX + side * corner[0]).toFixed(1) + "," + (originY - side * corner[1]).toFixed(1);
      }).join(" ");
    }

    function drawRegions(c1, ce, areas) {
      var boundary = decisionBoundary(c1, ce);
      var regions = decisionRegions(boundary);
      part("boundary").setAttribute("points", points(boundary));
      Object.keys(regions).forEach(function (name) {
        part("area-" + name).setAttribute("points", points(regions[name]));
        part("name-" + name).setAttribute("visibility", areas[name] < 0.08 ? "hidden" : "visible");
      });
      part("name-keep").setAttribute("y", originY - side * Math.min(0.5, (ce + c1 / 2) / 2));
    }

    function summary(c1, ce, eta, p, areas, threshold, action, risk) {
      var client = threshold < 1 ? "should ask where p exceeds " + threshold.toFixed(3) : "should never ask";
      return "At c1 = " + c1.toFixed(2) + " and ce = " + ce.toFixed(2) + " keeping is best on " +
        (100 * areas.keep).toFixed(1) + " % of the square and asking on " + (100 * (1 - areas.keep)).toFixed(1) +
        " %. A deterministic client " + client + ". At the marked point, eta = " + eta.toFixed(2) + " and p = " +
        p.toFixed(2) + ", the smallest risk is " + risk.toFixed(2) + ": " + action + ".";
    }

    function draw() {
      var c1 = value("c1"), ce = value("ce"), eta = value("eta"), p = value("p");
      var areas = regionAreas(c1, ce), threshold = askThreshold(c1, ce);
      var risks = {keep: p, minus: c1 * eta + ce, plus: c1 * (1 - eta) + ce};
      var best = c1 * Math.min(eta, 1 - eta) + ce > p ? "keep" : eta >= 0.5 ? "plus" : "minus";
      drawRegions(c1, ce, areas);
      part("point").setAttribute("cx", originX + side * eta);
      part("point").setAttribute("cy", originY - side * p);
      Object.keys(areas).forEach(function (name) {
        part("share-" + name).textContent = (100 * areas[name]).toFixed(1) + " %";
        part("cost-" + name).textContent = risks[name].toFixed(2);
        root.dataset[name] = areas[name];
      });
      ["c1", "ce", "eta", "p"].forEach(function (name) {
        part("value-" + name).textContent = value(name).toFixed(2);
      });
      root.dataset.threshold = threshold;
      root.dataset.best = best;
      part("summary").textContent = summary(
        c1, ce, eta, p, areas, threshold, part("action-" + best).textContent, risks[best]
      );
    }

    root.querySelectorAll("input").forEach(function (slider) { slider.addEventListener("input", draw); });
    part("controls").hidden = false;
    part("no-script").hidden = true;
    root.dataset.ready = "yes";
    draw();
  }

  document.querySelectorAll(".l2h-regions:not([data-ready])").forEach(start);
})();
