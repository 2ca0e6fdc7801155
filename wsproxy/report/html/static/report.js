// Enhances pages that read without this script. The data is described in page_data.py.
const data = (part, prefix = "") => {
  const element = document.getElementById(`${prefix}data-${part}`);
  return element === null ? null : JSON.parse(element.textContent);
};

const session = data("session");
if (session !== null) {
  document.documentElement.dataset.contract = String(session.version);
}
