// What the scripts of figures share. `prepare` gets a figure's parts, values, data and frame, and returns what redraws it.
function l2hFigure(kind, prepare) {
  "use strict";

  function start(root) {
    function part(name) { return root.querySelector("[data-part=" + name + "]"); }
    function ofFrame(name) { return Number(part("frame").getAttribute(name)); }

    var draw = prepare({
      root: root,
      part: part,
      value: function (name) { return Number(part(name).value); },
      data: JSON.parse(part("data").textContent),
      frame: {x: ofFrame("x"), y: ofFrame("y"), width: ofFrame("width"), height: ofFrame("height")}
    });
    root.querySelectorAll("input, select").forEach(function (control) { control.addEventListener("input", draw); });
    part("controls").hidden = false;
    part("no-script").hidden = true;
    root.dataset.ready = "yes";
    draw();
  }

  document.querySelectorAll("." + kind + ":not([data-ready])").forEach(start);
}
