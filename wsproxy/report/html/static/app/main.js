// Puts the parts of the page together. Without this script the page reads as plain HTML.

const views = [...document.querySelectorAll('script[id$="data-session"]')].map(
  ({ id }) => new SessionView(id.slice(0, -"data-session".length)),
);
// The longest prefix first: that of the first session is empty.
views.sort((one, other) => other.session.prefix.length - one.session.prefix.length);

const difference = document.getElementById("data-difference");
if (difference) new Pair(views[1], views[0], JSON.parse(difference.textContent));
else views.forEach((view) => view.showAxis());

function showHash() {
  const place = decodeURIComponent(location.hash.slice(1));
  for (const view of views) {
    const { prefix } = view.session;
    if (place.startsWith(prefix) && view.show(place.slice(prefix.length))) return;
  }
}

// A link to the place that the address already names moves there again.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (link && link.getAttribute("href") === location.hash) showHash();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, button, summary, a");
  if (event.key !== " " || typing || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  views.at(-1)?.players.toggle();
});

// A button at each finding of which something can be heard.
function addHearButtons(place) {
  for (const article of place.querySelectorAll(".finding[data-finding]")) {
    const view = views.find(({ session }) => article.id.startsWith(`${session.prefix}finding-`));
    const finding = view.session.findings[Number(article.dataset.finding)];
    const t = finding ? view.session.timeOf(finding) : null;
    if (t === null || !view.players.any) continue;
    const label = "Hear this moment";
    article.querySelector("h3").append(" ", button(label, () => view.hear(t), { className: "hear", title: `the audio around ${seconds(t)}` }));
  }
}

function addButtons(place) {
  addHearButtons(place);
  for (const code of place.querySelectorAll("code.copy")) {
    code.after(" ", copyButton("Copy", () => code.textContent));
  }
  for (const old of place.querySelectorAll("button[data-copies]")) {
    const text = () => document.getElementById(old.dataset.copies).textContent;
    old.replaceWith(copyButton(old.textContent, text));
  }
  place.querySelectorAll(".scripted").forEach((each) => (each.hidden = false));
  for (const text of place.querySelectorAll('pre[id$="markdown"]')) {
    const heading = text.closest("section").querySelector("h2");
    heading.after(copyButton("Copy Markdown", () => text.textContent));
  }
}

addButtons(document);
addEventListener("hashchange", showHash);
showHash();
document.documentElement.dataset.scripted = "";
