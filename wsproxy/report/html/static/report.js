// Enhances a page that reads without this script. The data is described in page_data.py.
const read = (part) => JSON.parse(document.getElementById(`data-${part}`).textContent);

document.documentElement.dataset.scripted = String(read("session").version);
