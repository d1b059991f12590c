// Says over which protocol this page came, makes the commands name the server it came from, and makes
// links of what --demo mounts, if it did: OPTIONS of a file, or of nothing, has no content (204).
(() => {
  const names = { "h2": "HTTP/2", "http/1.1": "HTTP/1.1", "http/1.0": "HTTP/1.0" };
  const [page] = performance.getEntriesByType("navigation");
  const protocol = page && page.nextHopProtocol;
  const details = document.getElementById("details");
  if (protocol) {
    const secure = location.protocol === "https:" ? "encrypted" : "in cleartext";
    document.getElementById("protocol").textContent = names[protocol] || protocol;
    details.textContent = ` (${protocol}), ${secure}`;
  } else if (page) {
    details.textContent = ", out of the browser's cache";
  }
  for (const element of document.querySelectorAll("[data-origin]")) {
    if (element.dataset.origin === location.protocol) element.textContent = location.origin;
  }
  fetch("/json", { method: "OPTIONS" }).then(({ status }) => {
    if (status !== 200) return;
    for (const element of document.querySelectorAll("[data-demo]")) {
      const link = document.createElement("a");
      link.href = link.textContent = element.textContent;
      element.replaceChildren(link);
    }
  }).catch(() => {});
})();
