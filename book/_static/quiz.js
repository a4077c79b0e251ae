// Quick checks: a button tells whether the chosen answer is right, and why. The reasons are those of the folded list.
(function () {
  "use strict";

  function start(quiz) {
    var button = quiz.querySelector("button");
    var answer = quiz.querySelector("[role=status]");

    function forget() {
      answer.replaceChildren();
    }

    function check() {
      var chosen = quiz.querySelector("input:checked");
      if (!chosen) {
        answer.textContent = "Choose an answer first.";
        return;
      }
      var reason = document.getElementById(chosen.id + "-reason").cloneNode(true);
      reason.removeAttribute("id");
      reason.querySelectorAll("[tabindex]").forEach(function (part) { part.removeAttribute("tabindex"); });
      answer.replaceChildren(reason);
    }

    quiz.querySelectorAll("input").forEach(function (input) { input.addEventListener("change", forget); });
    button.addEventListener("click", check);
    button.hidden = false;
  }

  function startAll() {
    document.querySelectorAll(".quiz").forEach(start);
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", startAll);
  } else {
    startAll();
  }
})();
