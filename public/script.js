// Says over which protocol this page came, and makes the commands name the server it came from.
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
})();
