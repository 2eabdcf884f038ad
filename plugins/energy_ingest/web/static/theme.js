// Light or dark, as Airflow's own pages around this one are; alone, as the browser prefers.
// A classic script in the head, so that nothing is painted in the wrong colours first.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const around = (() => {
    try {
      return parent === window ? null : parent.document.documentElement;
    } catch {
      return null; // framed by another origin, which the page's policy forbids anyway
    }
  })();

  const chosen = () => {
    try {
      return localStorage.getItem("theme"); // where Airflow keeps what its user chose
    } catch {
      return null;
    }
  };

  const apply = () => {
    const alone = chosen() === "dark" || (chosen() !== "light" && system.matches);
    document.documentElement.classList.toggle("dark", around ? around.classList.contains("dark") : alone);
  };

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  if (around) new MutationObserver(apply).observe(around, { attributes: true, attributeFilter: ["class"] });
})();
