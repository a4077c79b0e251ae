// Paper is white: pages are printed in the light theme, whatever the reader's is.
(() => {
  const root = document.documentElement;
  let theme = null;
  const change = printing => {
    if (printing && theme === null) {
      theme = root.dataset.theme;
      root.dataset.theme = "light";
    } else if (!printing && theme !== null) {
      root.dataset.theme = theme;
      theme = null;
    }
  };
  matchMedia("print").addEventListener("change", event => change(event.matches));
  window.addEventListener("beforeprint", () => change(true));
  window.addEventListener("afterprint", () => change(false));
})();
